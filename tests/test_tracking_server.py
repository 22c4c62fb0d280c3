"""What may answer at an address instead of the tracking server that was meant, and passwords."""

import base64
import os
import socket
from importlib.metadata import version

import pytest
from mlflow_server import answering, guarding, saying

from research.design.errors import UserError
from research.record.tracking_server import PASSWORD, TOKEN, USERNAME, TrackingServer

NO_SUCH = '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Could not find it"}'


def refusal(address):
    with pytest.raises(UserError) as refused:
        TrackingServer(address).check()
    assert str(refused.value).startswith(f"store {address}: ")
    return str(refused.value).removeprefix(f"store {address}: ")


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (saying(200, "<html>Hello</html>"), "what answers there is no MLflow server; choose another"),
        (saying(404, "nothing here"), "what answers there is no MLflow server (404 nothing here); choose another"),
        (saying(200, "2.9.2"), f"runs MLflow 2.9.2, this one needs {version('mlflow')}; choose another"),
        (saying(200, version("mlflow")), "what answers there is no MLflow server; choose another"),
        (saying(401, ""), f"asks for a password; set {USERNAME} and {PASSWORD}, or {TOKEN}"),
        (saying(403, "Invalid Host header"), "does not let you do this (Invalid Host header); choose another"),
        (saying(302, "", Location="https://else.where/"), "sends elsewhere (https://else.where/); name that address"),
        (saying(500, "on fire\nand more"), "answers with an error (500 on fire); see that it runs and can be reached"),
        (saying(404, NO_SUCH), "answers with an error (RESOURCE_DOES_NOT_EXIST Could not find it); see"),
    ],
)
def test_who_is_not_the_server_that_was_meant_is_told_in_a_line(handler, says, monkeypatch):
    for name in (USERNAME, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    with answering(handler) as address:
        assert refusal(address).startswith(says)


def test_an_address_that_nobody_answers_is_told_in_a_line():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}").startswith("cannot be reached (Connection refused); see that it runs")


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({USERNAME: "me", PASSWORD: "s3crét"}, "Basic " + base64.b64encode("me:s3crét".encode()).decode()),
        ({TOKEN: "t0ken"}, "Bearer t0ken"),
    ],
)
def test_a_password_or_token_of_the_environment_is_sent_and_never_said(given, header, monkeypatch):
    for name in (USERNAME, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    with answering(saying(200, "{}")) as behind, answering(guarding(behind, header)) as address:
        assert refusal(address).startswith("asks for a password")
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        server = TrackingServer(address)
        assert list(server.experiments()) == []  # it is let in
        assert not any(value in repr(server) for value in given.values())
        for name in given:
            monkeypatch.setenv(name, "wrong")
        assert refusal(address).startswith("refuses this password")


@pytest.mark.parametrize("token", ["t0ken\nwith a line", "tökenß", "t0ken\0"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_said(token, monkeypatch):
    for name in (USERNAME, PASSWORD):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.environ", {**os.environ, TOKEN: token})
    with answering(saying(200, "{}")) as address, pytest.raises(UserError) as refused:
        TrackingServer(address).check()
    assert str(refused.value) == f"{TOKEN}: has characters that cannot be sent"


def test_the_clock_is_the_servers_own():
    with answering(saying(200, "{}", Date="Mon, 30 Nov 2026 21:33:44 GMT")) as address:
        server = TrackingServer(address)
        list(server.experiments())
    assert server.clock == 1796074424.0
