"""The settings, from the environment or a file named .env."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str = "sqlite:///{{ name }}.db"
    echo_sql: bool = False


settings = Settings()
