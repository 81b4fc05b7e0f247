"""How many frames clients send: one client's window, and the rate of each when many share the model."""

from __future__ import annotations

from sam_edge.serve.connection.flow_control import FlowControl
from sam_edge.serve.models.load_shedder import LoadShedder


def test_the_window_closes_under_load_and_opens_again() -> None:
    now = 0.0
    flow = FlowControl(lambda: now)
    for waited_ms, busy_s, window in ((30.0, 0.098, 1), (0.0, 0.08, 1), (0.0, 0.02, 2)):
        for _ in range(15):
            now += 0.1
            flow.record(waited_ms, busy_s)
        assert flow.window == window


def test_clients_send_fewer_frames_while_the_model_is_slow() -> None:
    now = 0.0
    shedder = LoadShedder(lambda: now)
    shedder.add_client()

    def run_for(encode_ms: float, seconds: int) -> float:
        nonlocal now
        for _ in range(10 * seconds):
            now += 0.1
            shedder.record(encode_ms)
        return shedder.frames_per_s

    assert run_for(500.0, 5) == 0, "a single client may send as many as it likes"
    shedder.add_client()
    assert run_for(60.0, 3) == 0
    assert run_for(150.0, 2) in (12.0, 16.0, 20.0)
    assert run_for(500.0, 9) == 8.0
    assert run_for(80.0, 9) == 8.0, "neither slow nor quick: the rate stays"
    assert run_for(20.0, 40) == 0
    assert run_for(500.0, 9) == 8.0
    shedder.remove_client()
    assert shedder.frames_per_s == 0
