"""The network in a session: it corrects the carried track on every frame, from the masks that SAM made."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from sam_edge.follow.follower import Followed, begin, follow, probability, trust_again
from sam_edge.follow.network import FollowerNetwork
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion, grid_of
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.worker_jobs import SessionFrame


class NetworkFollower:
    """Follows one object with the network. For the thread that steps."""

    def __init__(
        self, network: FollowerNetwork, motion: FrameMotion, tuning: SelectionTuning = DEFAULT_TUNING
    ) -> None:
        """Begin without an object.

        Args:
            network: corrects masks.
            motion: motion between the frames.
            tuning: how many frames are kept, and which results are believed.
        """
        self._network = network
        self._motion = motion
        self._tuning = tuning
        self._frames: deque[tuple[SessionFrame, Followed | None]] = deque(maxlen=tuning.follow_frames)
        self._new: Track | None = None
        self._trusted: tuple[int, int] | None = None
        self._followed: Followed | None = None
        self._time_ns = 0

    def trust(self, track: Track) -> None:
        """Take a mask that SAM made, on the frame that it was made on: the object is followed from there on."""
        if track.time_ns == track.decoded_ns:
            self._new = track

    def correct(self, track: Track | None, frame: SessionFrame) -> Track | None:
        """Correct the track that motion carried to a frame.

        Returns:
            The track with the network's mask, made on this frame. As it is when SAM made its mask on this frame, when
            the network has no trusted mask of this object, or when it is not sure of its own.
        """
        self._begin(frame)
        known = track is not None and self._trusted == (track.object_id, track.decoded_ns)
        followed = self._followed if known and self._advance(frame) else None
        self._frames.append((frame, followed))
        if track is None or followed is None or followed.confidence < self._tuning.min_follow_confidence:
            return track
        grid = followed.grid_logits(frame.size, grid_of(frame.size))
        if not (grid > 0).any():
            return track
        return replace(track, grid_logits=grid, score=followed.confidence, followed=followed)

    def _begin(self, newest: SessionFrame) -> None:
        """Begin with the newest trusted mask, if its frame is still kept."""
        track, self._new = self._new, None
        if track is None:
            return
        kept = ((frame, item) for frame, item in self._frames if frame.time_ns == track.time_ns)
        frame, item = next(kept, (newest, None))
        if frame.time_ns != track.time_ns:
            return
        mask = probability(track.grid_logits)
        again = None if item is None else trust_again(item, frame.size, mask)
        self._followed = again or begin(self._network, frame.image, mask, track.score)
        self._trusted, self._time_ns = (track.object_id, track.decoded_ns), track.time_ns

    def _advance(self, frame: SessionFrame) -> bool:
        """Follow to a frame; return whether there is a step to it."""
        motion = self._motion.between(self._time_ns, frame.time_ns)
        if motion is None or self._followed is None:
            return False
        (self._followed,) = follow(self._network, frame.image, motion.back, [self._followed])
        self._time_ns = frame.time_ns
        return True
