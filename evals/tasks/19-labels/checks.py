from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve

ALARM = {"enabled": False, "low": None, "high": None}
SETTINGS = {"interval": 60, "unit": "celsius", "alarm": ALARM}
OLD = [("Scale", "online"), ("Oven", "offline"), ("Fridge", "online")]


def create(client: Client, name: str = "Scale", **more: Any) -> Any:
    return client.post("/devices", json={"name": name, **more})


def device(client: Client, name: str = "Scale", **more: Any) -> str:
    answer = create(client, name, **more)
    assert answer.status_code == 201, answer.text
    return f"/devices/{answer.json()['id']}"


def change(client: Client, url: str, **body: Any) -> int:
    return client.patch(url, json=body).status_code


def settings(client: Client, url: str) -> Any:
    return client.get(url).json()["settings"]


def names(client: Client, **params: Any) -> list[str]:
    answer = client.get("/devices", params=params)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()]


@pytest.fixture
def upgraded(earlier_database: TryDatabase, result: Result) -> TryDatabase:
    for name, status in OLD:
        earlier_database.execute(
            f"INSERT INTO devices (name, status) VALUES ('{name}', '{status}')"
        )
    for _ in range(2):
        result.run("bash", "migrate.sh", url=earlier_database.url)
    return earlier_database


@pytest.fixture
def upgraded_client(upgraded: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    yield from serve(upgraded, result, tmp_path)


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_old_devices_are_kept_with_defaults(upgraded_client: Client) -> None:
    expected = [
        {"id": number, "name": name, "status": status, "labels": [], "settings": SETTINGS}
        for number, (name, status) in enumerate(OLD, 1)
    ]
    assert upgraded_client.get("/devices").json() == expected
    assert upgraded_client.get("/devices/2").json() == expected[1]


def test_old_devices_are_changed_like_new_ones(upgraded_client: Client) -> None:
    body = {"status": "maintenance", "labels": ["lab"], "settings": {"alarm": {"high": 4}}}
    assert change(upgraded_client, "/devices/2", **body) == 200
    shown = upgraded_client.get("/devices/2").json()
    assert (shown["status"], shown["labels"]) == ("maintenance", ["lab"])
    assert shown["settings"] == SETTINGS | {"alarm": ALARM | {"high": 4}}
    assert names(upgraded_client, status="maintenance") == ["Oven"]


def test_old_devices_are_filtered_by_defaults(upgraded_client: Client) -> None:
    everybody = [name for name, _ in OLD]
    assert names(upgraded_client, unit="celsius") == names(upgraded_client, alarm="false")
    assert names(upgraded_client, alarm="false") == everybody
    assert names(upgraded_client, label="lab") == names(upgraded_client, alarm="true") == []


def test_a_device_is_created_with_everything(client: Client) -> None:
    alarm = {"enabled": True, "low": -4.5, "high": 30}
    body = {"name": "Scale", "status": "maintenance", "labels": ["lab-2", "new", "a"]}
    body["settings"] = {"interval": 5, "unit": "fahrenheit", "alarm": alarm}
    answer = client.post("/devices", json=body)
    assert (answer.status_code, answer.json()) == (201, body | {"id": answer.json()["id"]})
    assert client.get("/devices").json() == [answer.json()]


def test_missing_settings_have_defaults(client: Client) -> None:
    bare = client.get(device(client)).json()
    assert (bare["labels"], bare["settings"], bare["status"]) == ([], SETTINGS, "offline")
    url = device(client, "Oven", settings={"alarm": {"low": 1}})
    assert settings(client, url) == SETTINGS | {"alarm": ALARM | {"low": 1}}
    assert settings(client, device(client, "Fridge", settings={})) == SETTINGS


def test_wrong_labels_are_refused(client: Client) -> None:
    url = device(client, labels=["lab"])
    eleven = [f"label-{number}" for number in range(11)]
    for labels in ([""], ["x" * 31], ["Lab"], ["a b"], ["a", "b", "a"], eleven, "lab", [1], None):
        assert create(client, "Other", labels=labels).status_code == 422, labels
        assert change(client, url, labels=labels) == 422, labels
    assert client.get(url).json()["labels"] == ["lab"]
    assert create(client, "Other", labels=[*eleven[:9], "x" * 30]).status_code == 201


def test_wrong_settings_are_refused(client: Client) -> None:
    url = device(client)
    for wrong in ({"interval": 0}, {"interval": 3601}, {"interval": "often"}, {"unit": "kelvin"},
                  {"colour": 1}, {"alarm": {"loud": True}}, {"alarm": {"low": "x"}},
                  {"alarm": {"low": 5, "high": 5}}, {"alarm": True}, [], "x"):  # fmt: skip
        assert create(client, "Other", settings=wrong).status_code == 422, wrong
        assert change(client, url, settings=wrong) == 422, wrong
    assert settings(client, url) == SETTINGS


def test_a_change_of_a_setting_keeps_the_others(client: Client) -> None:
    url = device(client, settings={"interval": 5, "unit": "fahrenheit", "alarm": {"low": 2}})
    assert change(client, url, settings={"interval": 7}) == 200
    expected = {"interval": 7, "unit": "fahrenheit", "alarm": ALARM | {"low": 2}}
    assert settings(client, url) == expected
    answer = client.patch(url, json={"settings": {"unit": "celsius"}})
    assert answer.json()["settings"] == settings(client, url) == expected | {"unit": "celsius"}


def test_a_change_of_the_alarm_keeps_its_other_keys(client: Client) -> None:
    url = device(client, settings={"interval": 5, "alarm": {"enabled": True, "low": 2}})
    assert change(client, url, settings={"alarm": {"high": 30}}) == 200
    alarm = {"enabled": True, "low": 2, "high": 30}
    assert settings(client, url) == SETTINGS | {"interval": 5, "alarm": alarm}
    assert change(client, url, settings={"alarm": {}}) == 200
    assert settings(client, url)["alarm"] == alarm


def test_null_removes_a_limit_of_the_alarm_and_nothing_else(client: Client) -> None:
    url = device(client, labels=["lab"], settings={"alarm": {"low": 2, "high": 30}})
    before = client.get(url).json()
    wrong: list[dict[str, Any]] = [{"name": None}, {"status": None}, {"labels": None}]
    wrong += [{"settings": None}, {"settings": {"interval": None}}, {"settings": {"unit": None}}]
    wrong += [{"settings": {"alarm": None}}, {"settings": {"alarm": {"enabled": None}}}]
    assert [change(client, url, **body) for body in wrong] == [422] * 8
    assert client.get(url).json() == before
    assert change(client, url, settings={"alarm": {"low": None}}) == 200
    assert settings(client, url)["alarm"] == ALARM | {"high": 30}


def test_the_stored_limits_count_in_a_change(client: Client) -> None:
    url = device(client, settings={"alarm": {"low": 10, "high": 20}})
    assert change(client, url, settings={"interval": 5, "alarm": {"high": 10}}) == 422
    assert change(client, url, settings={"alarm": {"low": 20}}, name="Other") == 422
    assert client.get(url).json()["name"] == "Scale"
    assert settings(client, url) == SETTINGS | {"alarm": ALARM | {"low": 10, "high": 20}}
    assert change(client, url, settings={"alarm": {"low": 30, "high": 40}}) == 200


def test_labels_are_replaced(client: Client) -> None:
    url = device(client, labels=["a", "b"])
    assert client.patch(url, json={"labels": ["c", "a"]}).json()["labels"] == ["c", "a"]
    assert client.get(url).json()["labels"] == ["c", "a"]
    assert change(client, url, name="Other") == 200
    assert client.get(url).json()["labels"] == ["c", "a"]
    assert change(client, url, labels=[]) == 200
    assert client.get(url).json()["labels"] == []


def test_changes_of_different_settings_at_once_are_kept(client: Client) -> None:
    url = device(client)
    for number in range(1, 7):
        unit = "fahrenheit" if number % 2 else "celsius"
        changes: list[dict[str, Any]] = [{"interval": number}, {"unit": unit}]
        changes += [{"alarm": {"low": -number}}, {"alarm": {"high": number}}]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda body: change(client, url, settings=body), changes))
        assert answers == [200] * 4
        alarm = {"enabled": False, "low": -number, "high": number}
        assert settings(client, url) == {"interval": number, "unit": unit, "alarm": alarm}


def test_the_filter_by_label_is_exact(client: Client) -> None:
    device(client, "A", labels=["lab", "new"])
    device(client, "B", labels=["lab-2"])
    device(client, "C", labels=["new", "lab"])
    device(client, "D", labels=["xlab"])
    device(client, "E")
    assert names(client, label="lab") == ["A", "C"]
    assert names(client, label="new") == ["A", "C"]
    for nobody in ("la", "lab%", "l_b", '"lab"', "lab,new", "'"):
        assert names(client, label=nobody) == []


def test_filters_and_pages_are_combined(client: Client) -> None:
    for number in range(8):
        labels = ["even"] if number % 2 == 0 else ["odd"]
        unit = "fahrenheit" if number < 6 else "celsius"
        alarm = {"enabled": number != 2}
        status = "online" if number else "maintenance"
        device(client, str(number), labels=labels, status=status,
               settings={"unit": unit, "alarm": alarm})  # fmt: skip
    assert names(client, label="even", unit="fahrenheit") == ["0", "2", "4"]
    assert names(client, label="even", unit="fahrenheit", alarm="true") == ["0", "4"]
    assert names(client, label="even", alarm="true", status="online") == ["4", "6"]
    assert names(client, label="even", limit=2, offset=1) == ["2", "4"]
    assert names(client, alarm="false", limit=1) == ["2"]
    assert names(client, status="maintenance") == ["0"]


def test_unknown_values_of_filters_are_refused(client: Client) -> None:
    for wrong in ("status=broken", "unit=kelvin", "alarm=perhaps", "limit=0", "limit=101"):
        assert client.get(f"/devices?{wrong}").status_code == 422
    assert create(client, status="broken").status_code == 422


def test_the_rest_of_the_api_stays(client: Client) -> None:
    url, other = device(client), device(client, "Oven")
    assert create(client).status_code == change(client, other, name="Scale") == 409
    assert create(client, "").status_code == create(client, "x" * 61).status_code == 422
    assert client.get("/devices/99").status_code == change(client, "/devices/99") == 404
    assert change(client, url, status="online") == 200
    assert names(client, status="online") == ["Scale"]


def test_the_list_needs_few_statements(client: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        for number in range(50):
            device(client, f"Device {number}", labels=["lab", f"label-{number}"])
            if number == 4:
                few = client.statements_of("/devices?label=lab")
        many = client.statements_of("/devices?label=lab")
        assert few == many
        assert many <= 4


# Source: https://github.com/fastapi/sqlmodel/issues/42
