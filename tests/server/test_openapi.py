"""The description of the API says what is served, and nothing else."""

import re

from tests.server.http import Http


async def served_as(http: Http, method: str, path: str) -> bool:
    """Whether somebody answers there; what never ends is not waited for."""
    headers = {"content-type": "application/json"}
    async with http.session.request(method, http.url + path, headers=headers) as answer:
        if answer.status in (404, 405) and method != "HEAD":
            return (await answer.json(content_type=None))["type"] not in ("not_found", "method_not_allowed")
        return answer.status < 500


async def test_each_operation_of_the_document_is_served(http: Http) -> None:
    document = (await http.get("/api/v1/openapi.json")).json
    assert document["openapi"] == "3.1.0"
    names = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.add(operation["operationId"])
            named = re.findall(r"{(\w+)}", path)
            assert [each["name"] for each in operation["parameters"] if each["in"] == "path"] == named
            assert await served_as(http, method.upper(), re.sub(r"{\w+}", "x" * 16, path)), (method, path)
    assert len(names) == sum(len(operations) for operations in document["paths"].values())


async def test_each_reference_of_the_document_leads_somewhere(http: Http) -> None:
    answer = await http.get("/api/v1/openapi.json")
    known = answer.json["components"]["schemas"]
    wanted = set(re.findall(r"#/components/schemas/([\w.]+)", answer.body.decode()))
    assert wanted <= known.keys()
    assert {"Submission", "RunView", "Problem", "TaskDefinition"} <= known.keys()


async def test_it_says_that_it_is_alive(http: Http) -> None:
    assert (await http.get("/healthz")).body == b"ok\n"
    health = (await http.get("/api/v1/health")).json
    assert (health["status"], health["workers"]) == ("ok", 0)
