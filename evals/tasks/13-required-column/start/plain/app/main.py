from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from sqlmodel import Session, col, select

from app.db import SessionDep
from app.models import Article, ArticleCreate, ArticleUpdate

app = FastAPI(title="Articles")


def find(session: Session, article_id: int) -> Article:
    article = session.get(Article, article_id)
    if article is None:
        raise HTTPException(404, "no such article")
    return article


def save(session: Session, article: Article) -> Article:
    session.add(article)
    session.commit()
    session.refresh(article)
    return article


@app.post("/articles", status_code=201)
def create_article(body: ArticleCreate, session: SessionDep) -> Article:
    return save(session, Article.model_validate(body))


@app.get("/articles")
def list_articles(
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[Article]:
    query = select(Article).order_by(col(Article.id)).offset(offset).limit(limit)
    return list(session.exec(query))


@app.get("/articles/{article_id}")
def read_article(article_id: int, session: SessionDep) -> Article:
    return find(session, article_id)


@app.patch("/articles/{article_id}")
def update_article(article_id: int, body: ArticleUpdate, session: SessionDep) -> Article:
    article = find(session, article_id)
    article.sqlmodel_update(body.model_dump(exclude_unset=True, exclude_none=True))
    return save(session, article)


@app.delete("/articles/{article_id}", status_code=204)
def delete_article(article_id: int, session: SessionDep) -> None:
    session.delete(find(session, article_id))
    session.commit()
