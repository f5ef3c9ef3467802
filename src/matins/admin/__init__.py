"""What operators do and see, one function each: the command line, the HTTP API and the page share them.

Everything comes from the database; the user's code is never needed. Verbs are one transaction each and leave an audit
row; read models are frozen records whose field names are those of the API in snake case.
"""
