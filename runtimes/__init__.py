"""Inference engines behind one interface. An engine's library is imported when the engine is first opened."""

from sam_edge.runtimes.base import Runtime, RuntimeOptions
from sam_edge.runtimes.registry import EngineInfo, choose_engine, engines, open_runtime

__all__ = ["EngineInfo", "Runtime", "RuntimeOptions", "choose_engine", "engines", "open_runtime"]
