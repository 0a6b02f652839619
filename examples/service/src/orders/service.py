"""Takes orders, sums them with pandas, and tells what it runs on; HOST and PORT say where it listens."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import fastapi
import lxml.etree
import numpy as np
import pandas as pd
import pydantic
import sqlalchemy
import uvicorn
from cryptography.fernet import Fernet

service = fastapi.FastAPI(title="orders", version=version("orders"))


class Order(pydantic.BaseModel):
    """Some pieces of an item."""

    item: str
    amount: int


@service.get("/health")
def health() -> dict[str, str]:
    """Tell that the service runs, and on what."""
    return {"status": "ok", "machine": platform.machine(), "python": platform.python_version()}


@service.post("/orders/totals")
def totals(orders: list[Order]) -> dict[str, int]:
    """Add up the orders of each item, in SQLite and pandas."""
    frame = pd.DataFrame([order.model_dump() for order in orders], columns=["item", "amount"])
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        frame.to_sql("orders", connection, index=False)
        query = "select item, sum(amount) as total from orders group by item"
        summed = pd.read_sql(query, connection)
    return {str(item): int(total) for item, total in zip(summed["item"], summed["total"], strict=True)}


@service.get("/compute")
def compute() -> dict[str, object]:
    """Let compiled code of four packages work: linear algebra, XML, cryptography, tables."""
    box = Fernet(Fernet.generate_key())
    page = lxml.etree.fromstring(b"<page><p>one</p><p>two</p></page>")
    return {
        "solution": np.linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 8.0])).tolist(),
        "paragraphs": int(page.xpath("count(//p)")),
        "secret": box.decrypt(box.encrypt(b"kept")).decode(),
        "mean": float(pd.Series([1, 2, 3]).mean()),
    }


def main() -> None:
    """Serve until told to stop."""
    uvicorn.run(service, host=os.environ.get("HOST", "0.0.0.0"), port=int(os.environ.get("PORT", "8000")))  # noqa: S104 - a container's own network
