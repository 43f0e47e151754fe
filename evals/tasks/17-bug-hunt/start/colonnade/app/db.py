from colonnade import Database, Session

db = Database()
session = Session(db.engine)
