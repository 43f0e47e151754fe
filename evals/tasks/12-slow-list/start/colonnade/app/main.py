from collections import Counter
from typing import Annotated

from fastapi import Depends, FastAPI, Query

from app.models import (
    Comment,
    CommentCreate,
    CommentRead,
    Person,
    StatusRow,
    Ticket,
    TicketCreate,
    TicketPage,
    TicketRow,
)
from colonnade import Database, Problem, Session, col, select

db = Database()
app = FastAPI(title="Tickets", lifespan=db.lifespan)
SessionDep = Annotated[Session, Depends(db.get_session)]


def row(ticket: Ticket) -> TicketRow:
    visible = [comment for comment in ticket.comments if not comment.hidden]
    return TicketRow(
        id=ticket.id,
        subject=ticket.subject,
        status=ticket.status,
        created_at=ticket.created_at,
        reporter=ticket.reporter.name if ticket.reporter else None,
        labels=sorted(label.name for label in ticket.labels),
        comments=len(visible),
        last_comment_at=max((comment.created_at for comment in visible), default=None),
    )


@app.get("/tickets")
def list_tickets(
    session: SessionDep,
    status: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> TicketPage:
    query = select(Ticket).order_by(col(Ticket.created_at).desc(), col(Ticket.id).desc())
    if status is not None:
        query = query.where(Ticket.status == status)
    total = len(session.exec(query).all())
    tickets = session.exec(query.offset(offset).limit(limit)).all()
    return TicketPage(total=total, items=[row(ticket) for ticket in tickets])


@app.get("/tickets/summary")
def summary(session: SessionDep) -> list[StatusRow]:
    tickets: Counter[str] = Counter()
    comments: Counter[str] = Counter()
    for ticket in session.exec(select(Ticket)).all():
        tickets[ticket.status] += 1
        comments[ticket.status] += row(ticket).comments
    return [
        StatusRow(status=status, tickets=tickets[status], comments=comments[status])
        for status in sorted(tickets)
    ]


@app.post("/tickets", status_code=201)
def create_ticket(body: TicketCreate, session: SessionDep) -> TicketRow:
    if body.reporter_id is not None and session.get(Person, body.reporter_id) is None:
        raise Problem(422, "Person not found.", kind="foreign_key")
    ticket = Ticket.model_validate(body)
    session.add(ticket)
    session.commit()
    return row(ticket)


@app.post("/tickets/{ticket_id}/comments", status_code=201, response_model=CommentRead)
def create_comment(ticket_id: int, body: CommentCreate, session: SessionDep) -> Comment:
    if session.get(Ticket, ticket_id) is None:
        raise Problem(404, "Ticket not found.", kind="not_found")
    comment = Comment(ticket_id=ticket_id, **body.model_dump())
    session.add(comment)
    session.commit()
    return comment
