"""The endpoints: one resource per table. Add your endpoints to it."""

from app.database import db
from app.models import Item
from colonnade import Resource

items = Resource(Item, db)
