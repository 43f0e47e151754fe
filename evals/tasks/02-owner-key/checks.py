from datetime import datetime
from typing import Any

from evals.conftest import Client, TryDatabase, at_once
from sqlalchemy import inspect


def as_user(user: int) -> dict[str, str]:
    return {"X-User": str(user)}


def create_book(client: Client) -> int:
    answer = client.post("/books", json={"title": "Emma"}, headers=as_user(1))
    assert answer.status_code == 201, answer.text
    assert answer.json() == {"id": answer.json()["id"], "title": "Emma"}
    book: int = answer.json()["id"]
    return book


def create(client: Client, book: int, user: int, **fields: Any) -> dict[str, Any]:
    answer = client.post(
        f"/books/{book}/reviews", json={"stars": 4} | fields, headers=as_user(user)
    )
    assert answer.status_code == 201, answer.text
    review: dict[str, Any] = answer.json()
    return review


def reviews(client: Client, url: str) -> Any:
    answer = client.get(url, headers=as_user(9))
    assert answer.status_code == 200
    return answer.json()


WRONG: list[dict[str, Any]] = [
    {"stars": 0},
    {"stars": 6},
    {"stars": None},
    {"stars": "many"},
    {"text": "x" * 2001},
    {"user_id": 8},
    {"book_id": 8},
    {"created_at": "2001-01-01T00:00:00Z"},
    {"likes": 5},
]


def test_a_review_is_of_the_caller(client: Client) -> None:
    book = create_book(client)
    review = create(client, book, 7, text="Good")
    assert datetime.fromisoformat(review["created_at"]).tzinfo is not None
    assert review == {
        "book_id": book,
        "user_id": 7,
        "stars": 4,
        "text": "Good",
        "created_at": review["created_at"],
    }
    assert reviews(client, f"/books/{book}/reviews/7") == review
    assert create(client, book, 8)["text"] is None


def test_without_a_user_everything_is_a_401(client: Client) -> None:
    book = create_book(client)
    create(client, book, 7)
    for headers in ({}, {"X-User": "me"}, {"X-User": "0"}, {"X-User": "-7"}, {"X-User": ""}):
        for method, url, body in (
            ("POST", "/books", {"title": "Emma"}),
            ("POST", "/books", {"title": ""}),
            ("POST", f"/books/{book}/reviews", {"stars": 4}),
            ("GET", f"/books/{book}/reviews", None),
            ("GET", "/books/999/reviews", None),
            ("GET", "/users/7/reviews", None),
            ("GET", f"/books/{book}/reviews/7", None),
            ("PATCH", f"/books/{book}/reviews/7", {"stars": 1}),
            ("PATCH", f"/books/{book}/reviews/7", {"stars": 9}),
            ("DELETE", f"/books/{book}/reviews/7", None),
        ):
            answer = client.request(method, url, json=body, headers=headers)
            assert answer.status_code == 401, (method, url, headers)
    assert reviews(client, f"/books/{book}/reviews/7")["stars"] == 4


def test_only_the_owner_changes_a_review(client: Client) -> None:
    book = create_book(client)
    review = create(client, book, 7, text="Good")
    create(client, book, 8)
    url = f"/books/{book}/reviews/7"
    assert client.patch(url, json={"stars": 1}, headers=as_user(8)).status_code == 403
    assert reviews(client, url) == review
    answer = client.patch(url, json={"stars": 1}, headers=as_user(7))
    assert answer.status_code == 200
    assert answer.json() == review | {"stars": 1} == reviews(client, url)


def test_only_the_owner_deletes_a_review(client: Client) -> None:
    book = create_book(client)
    create(client, book, 7)
    other = create(client, book, 8)
    url = f"/books/{book}/reviews/7"
    assert client.delete(url, headers=as_user(8)).status_code == 403
    assert client.delete(url, headers=as_user(7)).status_code == 204
    assert client.get(url, headers=as_user(7)).status_code == 404
    assert reviews(client, f"/books/{book}/reviews") == [other]


def test_a_second_review_is_a_conflict_and_changes_nothing(client: Client) -> None:
    book = create_book(client)
    review = create(client, book, 7)
    answer = client.post(f"/books/{book}/reviews", json={"stars": 1}, headers=as_user(7))
    assert answer.status_code == 409
    assert reviews(client, f"/books/{book}/reviews") == [review]
    create(client, create_book(client), 7)


def test_two_reviews_at_once_are_one(client: Client) -> None:
    for _ in range(8):
        url = f"/books/{create_book(client)}/reviews"
        answers = at_once(
            *[lambda url=url: client.post(url, json={"stars": 4}, headers=as_user(7))] * 3
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        assert len(reviews(client, url)) == 1


def test_a_deleted_review_may_be_written_again(client: Client) -> None:
    book = create_book(client)
    create(client, book, 7)
    assert client.delete(f"/books/{book}/reviews/7", headers=as_user(7)).status_code == 204
    assert create(client, book, 7, stars=2)["stars"] == 2


def test_wrong_reviews_are_refused(client: Client) -> None:
    book = create_book(client)
    review = create(client, book, 7, text="Good")
    for wrong in WRONG:
        body = {"stars": 2} | wrong
        posted = client.post(f"/books/{book}/reviews", json=body, headers=as_user(8))
        assert posted.status_code == 422, wrong
        patched = client.patch(f"/books/{book}/reviews/7", json=body, headers=as_user(7))
        assert patched.status_code == 422, wrong
    assert client.post(f"/books/{book}/reviews", json={}, headers=as_user(8)).status_code == 422
    for title in ("", "x" * 201, None):
        answer = client.post("/books", json={"title": title}, headers=as_user(8))
        assert answer.status_code == 422
    assert reviews(client, f"/books/{book}/reviews") == [review]


def test_patch_changes_only_what_was_sent(client: Client) -> None:
    book = create_book(client)
    review = create(client, book, 7, text="Good")
    url = f"/books/{book}/reviews/7"
    for patch in ({"stars": 5}, {"text": None}, {}):
        answer = client.patch(url, json=patch, headers=as_user(7))
        assert answer.status_code == 200
        review |= patch
        assert answer.json() == review == reviews(client, url)


def test_unknown_books_and_reviews_are_a_404(client: Client) -> None:
    book = create_book(client)
    for method, url, body in (
        ("POST", "/books/999/reviews", {"stars": 4}),
        ("GET", "/books/999/reviews", None),
        ("GET", f"/books/{book}/reviews/7", None),
        ("PATCH", f"/books/{book}/reviews/7", {"stars": 4}),
        ("DELETE", f"/books/{book}/reviews/7", None),
    ):
        for user in (7, 8):
            answer = client.request(method, url, json=body, headers=as_user(user))
            assert answer.status_code == 404, (method, url, user)


def test_lists_are_of_a_book_and_of_a_reader(client: Client) -> None:
    first, second = create_book(client), create_book(client)
    for book, user in ((second, 7), (first, 8), (first, 7)):
        create(client, book, user)
    in_book = reviews(client, f"/books/{first}/reviews")
    assert [(each["book_id"], each["user_id"]) for each in in_book] == [(first, 7), (first, 8)]
    of_user = reviews(client, "/users/7/reviews")
    assert [(each["book_id"], each["user_id"]) for each in of_user] == [(first, 7), (second, 7)]
    assert reviews(client, "/users/999/reviews") == []


def test_lists_need_few_statements(client: Client) -> None:
    few, many = create_book(client), create_book(client)
    for user in range(1, 51):
        create(client, many, user)
        if user <= 5:
            create(client, few, user)
    counts = [
        client.statements_of(f"/books/{book}/reviews", headers=as_user(1)) for book in (few, many)
    ]
    assert counts[0] == counts[1] <= 5


def test_the_key_is_the_book_and_the_reader(database: TryDatabase) -> None:
    key = inspect(database.engine).get_pk_constraint("review")["constrained_columns"]
    assert set(key) == {"book_id", "user_id"}


def test_models_and_database_agree(drift: str) -> None:
    assert not drift


# Composite keys in repositories: https://github.com/litestar-org/advanced-alchemy/pull/640
