# ruff: noqa: INP001, T201 - a script that prints, and no package
"""A small service that uses every package of requirements.txt once, compiled code included.

`python app.py` does each thing, prints what it ran on and the versions, and needs no network.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from io import BytesIO
from zoneinfo import ZoneInfo

import boto3
import fastapi
import httpx
import jinja2
import lxml.etree
import numpy as np
import orjson
import pandas as pd
import psutil
import pydantic
import sqlalchemy
import uvicorn
import yaml
from cryptography.fernet import Fernet
from PIL import Image


class Order(pydantic.BaseModel):
    """One line of the report."""

    item: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was done, and whether it came out right."""

    name: str
    passed: bool


service = fastapi.FastAPI()


@service.post("/orders")
def order(new: Order) -> dict[str, int]:
    """Answer with twice the amount."""
    return {"amount": new.amount * 2}


def post_an_order() -> bool:
    """Call the service in this process: fastapi, pydantic's Rust core, httpx."""

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app=service)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/orders", json={"item": "tea", "amount": 21})

    return asyncio.run(call()).json() == {"amount": 42}


def sum_orders() -> bool:
    """Let SQLite hold the orders, and pandas sum them."""
    engine = sqlalchemy.create_engine("sqlite://")
    frame = pd.DataFrame({"item": ["tea", "tea", "jam"], "amount": [1, 2, 3]})
    with engine.connect() as connection:
        frame.to_sql("orders", connection, index=False)
        totals = pd.read_sql("select item, sum(amount) as total from orders group by item", connection)
    return dict(zip(totals["item"], totals["total"], strict=True)) == {"tea": 3, "jam": 3}


def encrypt() -> bool:
    """Encrypt and decrypt with cryptography's own OpenSSL."""
    box = Fernet(Fernet.generate_key())
    return box.decrypt(box.encrypt(b"secret")) == b"secret"


def draw() -> bool:
    """Write a PNG and read it back."""
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return Image.open(file).getpixel((3, 3)) == (255, 0, 0)


def sign_a_url() -> bool:
    """Sign a download address, which needs no network."""
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    client = boto3.client("s3", region_name="eu-central-1", **keys)
    return "Signature=" in client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})


def checks() -> list[Check]:
    """Use every package once."""
    solution = np.linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 8.0]))
    page = lxml.etree.fromstring(b"<page><p>one</p><p>two</p></page>")
    return [
        Check(name="numpy solves", passed=solution.tolist() == [1.0, 2.0]),
        Check(name="pandas and sqlalchemy sum", passed=sum_orders()),
        Check(name="lxml finds", passed=page.xpath("count(//p)") == 2.0),  # noqa: PLR2004
        Check(name="cryptography encrypts", passed=encrypt()),
        Check(name="pillow draws", passed=draw()),
        Check(name="fastapi answers", passed=post_an_order()),
        Check(name="boto3 signs", passed=sign_a_url()),
        Check(name="orjson and yaml agree", passed=orjson.loads(b'{"a":[1]}') == yaml.safe_load("a: [1]")),
        Check(name="yaml uses libyaml", passed=yaml.__with_libyaml__),
        Check(name="jinja2 renders", passed=jinja2.Template("{{ 6 * 7 }}").render() == "42"),
        Check(name="psutil looks", passed=psutil.Process().memory_info().rss > 0),
        Check(name="tzdata knows", passed=ZoneInfo("Europe/Vienna").key == "Europe/Vienna"),
        Check(name="uvicorn loads", passed=not uvicorn.Config(service).loaded),
    ]


def main() -> int:
    """Print what this ran on, each check and each package; 1 if a check failed."""
    print(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    done = checks()
    for check in done:
        print(f"  {'ok' if check.passed else 'FAILED':6} {check.name}")
    here = sorted(
        (distribution.name, distribution.version)
        for distribution in importlib.metadata.distributions(path=sys.path[:2])
    )
    print(f"  {len(here)} packages: " + ", ".join(f"{name} {version}" for name, version in here))
    return 0 if all(check.passed for check in done) else 1


if __name__ == "__main__":
    sys.exit(main())
