from fastapi import FastAPI

from app.models import Article, ArticleCreate, ArticleUpdate
from colonnade import Database, Resource

db = Database()
app = FastAPI(title="Articles", lifespan=db.lifespan)
app.include_router(
    Resource(
        Article,
        db,
        create=ArticleCreate,
        update=ArticleUpdate,
        operations={"create", "list", "read", "update", "delete"},
        statuses={"delete": 204},
        default_limit=50,
        max_limit=100,
    )
)
