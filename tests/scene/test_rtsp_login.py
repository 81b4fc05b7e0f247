"""Cameras that ask for a user and a password: both reach the camera, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_rtsp import FakeLogin
from fake_video import FakeCompanionVideo, number_shown, send_picture

import sam_edge.scene
from sam_edge.errors import TrackerError
from sam_edge.gaze.adapters.rtsp_login import Authenticator, RtspLogin, mask_login
from sam_edge.scene.login import split_login

PASSWORD = "s/e:c@r?e#t ä"
IN_ADDRESS = "s%2Fe%3Ac%40r%3Fe%23t%20%C3%A4"


@pytest.fixture
def fake() -> Iterator[FakeCompanionVideo]:
    """A network camera: its stream is that of the phone's scene camera."""
    running = FakeCompanionVideo(echo=False)
    yield running
    running.stop()


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_the_camera_lets_its_user_in(fake: FakeCompanionVideo, kind: str) -> None:
    fake.video.login = FakeLogin("me", PASSWORD, kind)
    with sam_edge.scene.open(
        f"rtsp://me:{IN_ADDRESS}@127.0.0.1:{fake.video.port}/live", timeout=4.0
    ) as camera:
        fake.video.wait_playing()
        fake.report()
        number, media_ns, parts = fake.take_picture()
        send_picture(fake.video, parts, media_ns)
        frame = camera.read(4.0)
        assert frame is not None
        assert number_shown(frame.image) == number
        assert camera.name == f"rtsp://***@127.0.0.1:{fake.video.port}/live"
    assert all("@" not in request for request in fake.video.requests)


def test_a_number_that_became_too_old_is_replaced(fake: FakeCompanionVideo) -> None:
    fake.video.login = FakeLogin("me", PASSWORD)
    fake.video.login.lasts = 2
    with sam_edge.scene.open(f"rtsp://me:{IN_ADDRESS}@127.0.0.1:{fake.video.port}/", timeout=4.0):
        fake.video.wait_playing()
    assert fake.video.login.nonce == 2


@pytest.mark.parametrize(
    ("kind", "login", "message"),
    [
        ("digest", "me:wrong@", "refuses user and password; check both. It asks for basic, digest"),
        ("basic", "me:wrong@", "refuses user and password"),
        ("kerberos", "me:wrong@", "It asks for nothing known; accepted are basic, and digest"),
        ("basic", "", "asks for a user and a password; write them into the address"),
    ],
)
def test_a_refusal_says_what_to_do(fake: FakeCompanionVideo, kind: str, login: str, message: str) -> None:
    fake.video.login = FakeLogin("me", PASSWORD, kind)
    with pytest.raises(TrackerError, match=message) as raised:
        sam_edge.scene.open(f"rtsp://{login}127.0.0.1:{fake.video.port}/", timeout=4.0)
    assert "wrong" not in str(raised.value)


DIGESTS = [
    # RFC 7616, section 3.9.1.
    (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        "Circle of Life",
        "8ca523f5e9506fed4657c9700eebdbec",
    ),
    (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        "Circle of Life",
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    ),
    # The example of RFC 2069, section 2.4, with its erratum.
    (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        "CircleOfLife",
        "1949323746fe6a43ef61f9606e7febea",
    ),
]


@pytest.mark.parametrize(("challenge", "password", "response"), DIGESTS)
def test_digests_are_those_of_the_standards(challenge: str, password: str, response: str) -> None:
    own = Authenticator(
        RtspLogin("Mufasa", password), client_nonce=lambda: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    assert own.header("GET", "/dir/index.html") is None
    assert own.take(f'Basic realm="other", {challenge}')
    header = own.header("GET", "/dir/index.html")
    assert header is not None
    assert f'response="{response}"' in header
    # The same refusal again means that user or password is wrong.
    assert not own.take(challenge)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("rtsp://me:pw@host:554/a?b=c", "rtsp://***@host:554/a?b=c"),
        ("rtsp://me:p@w/x@host/a", "rtsp://***@host/a"),
        ("rtsp://host/a?user=me&password=pw&channel=1", "rtsp://host/a?user=me&password=***&channel=1"),
        ("rtsp://host/user=me_password=pw_channel=1", "rtsp://host/user=me_password=***"),
        ("webcam:0", "webcam:0"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, masked: str) -> None:
    assert mask_login(url) == masked


def test_an_address_is_split_into_place_and_login() -> None:
    place, login = split_login(f"rtsp://a%40b:{IN_ADDRESS}@[::1]:554/live?x=a@b")
    assert place == "rtsp://[::1]:554/live?x=a@b"
    assert login == RtspLogin("a@b", PASSWORD)
    assert PASSWORD not in repr(login)
    assert split_login("rtsp://host/a@b") == ("rtsp://host/a@b", None)
