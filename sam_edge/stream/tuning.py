"""The constants of a selection that were tuned by measurement, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SelectionTuning:
    """How a session decides and follows. `docs/explanation/selection.md` has the formulas, and what each part is worth.

    The defaults were tuned on DAVIS sequences with a simulated observer (`make bench-stream`). Another camera, tracker
    or task may want others; a recording keeps the tuning that it was made with, and replays with it.
    """

    # Dwells: when gaze counts, and which samples belong together.
    min_dwell_ms: float = 60.0
    """Gaze must rest this long before it counts: the first samples after a saccade still move."""
    onset_ms: float = 20.0
    """Samples this soon after a dwell's onset are left out of its place: the eye still settles."""
    stray_deg: float = 3.0
    """Samples farther than this from their fixation, degrees along x or y, do not belong to it."""
    now_ms: float = 60.0
    """The samples of this last stretch say where gaze is now."""
    merge_deg: float = 2.0
    """Fixations no farther apart than this are one dwell. Another place of the same object usually is farther."""
    merge_ms: float = 100.0
    """Fixations with no longer gap than this are one dwell."""
    lag_ms: float = 60.0
    """Gaze answers what the screen showed this long before: the delay of eye and display."""
    last_dwell_shown_ms: float = 300.0
    """`Selection.fixation` stays for this long after the last sample: over a blink, and until the next dwell."""

    # Evidence: how well a candidate explains where gaze has rested.
    noise_deg: float = 0.6
    """Standard deviation of a tracker's error, degrees: half a degree of accuracy, and some precision."""
    uncertain_ratio: float = 1.5
    """Where samples state an error of more than this times `noise_deg`, gaze may be on something beside its place."""
    uncertain_prompts: int = 6
    """Places of the error's ellipse that then prompt in the place of one."""
    part_hysteresis: float = 3.0
    """Then a part of the target becomes the target when its log-posterior is higher by this: dwells whose place is not
    known do not tell a part from the whole, and people mean objects."""
    pursuit_deg: float = 0.4
    """Gaze that follows an object moves as it does, up to this, degrees: the tracker's noise, and that of the flow."""
    pursuit_gain_error: float = 0.2
    """And up to this share of the motion: the eye falls behind, and so does the flow."""
    pursuit_max_places: int = 3
    """A dwell's motion counts as that of at most this number of places: errors of neighbouring frames are alike."""
    max_pursuit: float = 3.0
    """Least log-likelihood ratio of a dwell's motion, negated: the flow may be wrong."""
    glance_probability: float = 0.10
    """Share of dwells that go elsewhere though the same object is the target."""
    glance_ms: float = 250.0
    """A dwell longer than this is hardly a glance."""
    glance_fade_ms: float = 60.0
    """Time constant by which the probability of a glance falls after `glance_ms`."""
    change_stable: float = 0.05
    """Probability that a dwell turns to another object while the target is stable."""
    change_clear: float = 0.15
    """The same where the dwell is on something that the model is sure of: glances mostly end on the surroundings."""
    clear_score: float = 0.95
    """The model is sure of a candidate that it found again with this predicted IoU."""
    change_scanning: float = 0.5
    """Probability that a dwell turns to another object before that."""
    stable_dwells: int = 2
    """The target is stable after this number of dwells on it."""
    stable_dwell_ms: float = 500.0
    """The target is stable after one dwell of this length."""
    max_fit: float = 8.0
    """Cap of one dwell's likelihood ratio. Without it a speck under the gaze would beat the object that it is on."""
    past_weight: float = 0.5
    """Exponent of a past dwell's evidence for a later candidate: motion carried the place, which may be off."""
    fit_gain: float = 0.3
    """Weight of the newest segment in the fit of a dwell that goes on."""
    hypothesis_slack: float = 0.1
    """Hypotheses whose predicted IoU is within this of the best one's are equal."""
    hypothesis_sharpness: float = 40.0
    """Below the slack, the log-probability of a hypothesis falls by this per unit of predicted IoU."""
    max_area_share: float = 0.5
    """What fills more of the frame than this is background more often than not."""
    max_object_area_share: float = 0.95
    """What fills more of the frame than this is the scene, and no object."""
    max_joint_area_share: float = 0.3
    """A mask of several anchors may fill this much of the frame: anchors on two objects are read as their scene."""
    support_weight: float = 3.0
    """Weight of the log-frequency with which single segments reproduce a candidate."""
    initial_support: float = 0.45
    """Support that a new candidate starts with."""
    initial_trials: float = 3.0
    """Trials that a new candidate starts with."""
    max_trials: float = 24.0
    """Segments that the support remembers; older ones fade."""
    hysteresis: float = 0.5
    """Another candidate becomes the target when its log-posterior is higher by this: a tie does not flicker."""

    # Candidates and anchors: what is kept, and what is the same.
    candidates_sequential: int = 5
    """Candidates that are followed in the sequential mode; each costs one prompt of a batch."""
    candidates_live: int = 3
    """Candidates that are followed in the live mode."""
    same_candidate_iou: float = 0.85
    """Candidates that overlap more than this are one."""
    min_probability: float = 0.03
    """Hypotheses less likely than this are not followed."""
    anchors_kept: int = 8
    """Dwells that are remembered."""
    anchors_prompted: int = 5
    """Anchors that prompt together. Five points select as well as a box does on DAVIS; more add nothing."""
    anchor_gain: float = 0.3
    """Least weight of a new segment in the place of its anchor: places are averaged as they move."""
    min_area_cells: int = 6
    """Cells of the motion grid below which an object is lost."""
    identity_share: float = 0.5
    """A new target keeps the number of an old one when this share of the smaller lies in the larger."""
    hover_ms: float = 250.0
    """A first dwell on an object focuses it after this time; before, the object is only outlined."""

    # Background: outlined, not filled, until a second dwell confirms that it is the target; and cuts.
    background_share: float = 0.4
    """What fills more of the frame than this is taken for background while only one dwell has come to rest on it."""
    background_borders: int = 3
    """So is what at least this number of the frame's borders cut off."""
    border_share: float = 0.05
    """A border cuts off what lies on at least this share of it."""
    background_odds: float = 0.1
    """How likely such a mask is the object that is meant, relative to one that does not look like background."""
    background_fit: float = 0.5
    """Cap of a dwell's likelihood ratio for such a background: whatever lies on it explains a dwell there better."""
    object_score: float = 0.85
    """A dwell on an object of at least this predicted IoU does not confirm the background behind it."""
    change_unconfirmed: float = 1.0
    """Probability that a dwell turns to another object while such a background is the target."""
    cut_correlation: float = 0.45
    """After a cut the new frame correlates less than this with the one before, carried to it; -1 looks for no cuts."""

    # Compounds: masks that take in a second object next to the one that gaze rests on.
    compound_odds: float = 0.1
    """How likely a compound is the object that is meant, relative to a mask that is none; 1 looks for none."""
    compound_share: float = 0.4
    """The smaller mask makes up this much of a compound: a wheel and a car are none."""
    compound_overlap: float = 0.85
    """The smaller mask lies in the compound with this share of itself, and off the rest's own mask with as much."""
    min_rest_share: float = 0.08
    """The rest makes up this much of the compound."""
    min_rest_piece: float = 0.6
    """The rest's largest piece makes up this much of it: a neighbour is in one piece."""
    still_cells: float = 0.1
    """What moves less than this against the surroundings is still, cells of the motion grid a scene."""
    left_behind: float = 0.25
    """A rest stays with the surroundings when it moves less than this share of what the smaller mask moves."""
    moving_cells: float = 0.5
    """What moves at least this much against the surroundings moves for certain, cells of the motion grid a scene."""
    surely_left_behind: float = 0.1
    """A rest is still for certain when it moves less than this share of what the smaller mask moves."""
    min_left_share: float = 0.18
    """And makes up this much of the mask that holds both."""
    min_rest_iou: float = 0.7
    """SAM's mask of the rest, prompted there, overlaps it by this much."""
    min_moving_rest_iou: float = 0.45
    """The same where the smaller mask moves for certain, so that motion tells them apart, too."""
    min_rest_score: float = 0.75
    """And has this predicted IoU."""

    # Trust: which masks are kept as references, and whether a pinned object is still there.
    min_reference_score: float = 0.8
    """A mask of at least this predicted IoU may be kept as a reference of its object."""
    max_area_change: float = 0.2
    """Its area is within this share of the usual one."""
    max_distractor_iou: float = 0.7
    """A piece of another mask of the same decode is a distractor when the box of both overlaps that of the mask by at
    most this."""
    reference_ms: float = 250.0
    """References of a pinned object are apart by this: neighbouring frames show nothing new."""
    presence_ms: float = 125.0
    """Pinned objects are compared with their references this often, three on a scene at most, and lost ones looked for
    half as often, one on a scene; 0 never does."""
    keep_odds: float = 1.0
    """A pinned object is recognised where it is followed from these log-odds on: its place speaks for it, too."""
    min_present_score: float = 0.5
    """And from this predicted IoU on."""
    lost_strikes: int = 2
    """A pinned object that is not recognised this often in a row is lost."""
    find_odds: float = 2.0
    """Something is a lost object from these log-odds on; it is shown when it is recognised once more."""
    sure_odds: float = 4.5
    """From these on it is shown at once, and may be kept as a reference."""

    # The live schedule: what runs when.
    small_side_px: int = 224
    """Shorter side of the encoder's input for whole frames in the live mode, a quarter of the pixels that give the best
    masks: it fits in the time between two close-ups."""
    small_long_side_px: int = 336
    """Longer side of that input, for oblong frames."""
    oblong_ratio: float = 1.2
    """Frames whose sides differ by more than this ratio are oblong."""
    refresh_ms: float = 250.0
    """While gaze stays on the target, the whole frame is encoded this often."""
    step_budget_ms: float = 19.5
    """A step ends at this time, with its frame's close-up or with the last one carried on by motion."""
    slow_closeup_ms: float = 19.5
    """A step does not wait for its close-up where close-ups take longer than this on average: they begin with the step,
    and would not be ready within `step_budget_ms`."""
    closeup_gain: float = 0.2
    """Weight of the newest close-up in that average."""
    gap_s: float = 0.05
    """Whole frames start between two steps, when the CPU is idle; they wait no longer than this for that."""
    carry_timeout_s: float = 5.0
    """A close-up waits this long for the motion of its frame, which takes milliseconds."""

    # Close-ups: how the target is followed.
    same_track_iou: float = 0.75
    """A track goes on when it overlaps a new assessment's target this much on that frame: it is finer and fresher."""
    stale_ms: float = 1000.0
    """A mask that motion carried for longer than this is lost rather than shown."""
    track_frames: int = 48
    """Frames for which the track is remembered."""
    closeup_margin: float = 1.4
    """A close-up shows the object's longer side times this, so that its surroundings are seen too."""
    min_closeup_px: int = 112
    """A close-up shows at least this many frame pixels: magnifying more than twice gains nothing."""
    positive_points: int = 8
    """Most points on the object that prompt a close-up."""
    negative_points: int = 4
    """Most points off the object, within its box, that prompt a close-up."""
    point_spacing: float = 1.5
    """Points are apart by this many times their depth in the mask."""
    min_point_spacing: float = 2.0
    """Points are apart by at least this, cells of the low-resolution logits."""
    unsure_logit: float = 2.0
    """Cells with logits this close to 0 may be on the object: no negative point is put there."""
    min_closeup_iou: float = 0.5
    """A close-up's mask that overlaps the carried one less than this is not believed: the carried one stays."""
    min_late_closeup_iou: float = 0.25
    """The same after motion had to carry the mask for longer than `late_ms`, and is likely to be off."""
    late_ms: float = 100.0
    """See `min_late_closeup_iou`."""

    # The follower network: the target's mask on every frame of the live mode.
    follow: bool | None = None
    """Whether the bundle's follower corrects the target's mask on every frame of the live mode
    (`docs/explanation/follower.md`); None: where `GazeSession.warm_up` finds that it takes at most
    `max_follow_ms` a frame."""
    max_follow_ms: float = 8.0
    """See `follow`: a fifth of the time between two frames at 24 frames a second. SAM runs at the same time, so a
    step takes several times as long at its 95th percentile."""
    follow_frames: int = 16
    """Frames that are kept, so that a mask of SAM's can be trusted when it comes."""
    min_follow_confidence: float = 0.4
    """Below this predicted IoU the network's mask is not believed: the carried one stays."""
    sure_confidence: float = 0.8
    """Above this predicted IoU close-ups are made only every `sure_closeup_ms`."""
    sure_closeup_ms: float = 250.0
    """See `sure_confidence`."""


DEFAULT_TUNING = SelectionTuning()
"""The tuning that sessions use unless another one is given."""
FORMER_TUNING = replace(
    DEFAULT_TUNING,
    max_object_area_share=1.0,
    uncertain_ratio=1e9,
    background_share=1.0,
    background_odds=1.0,
    background_borders=5,
    cut_correlation=-1.0,
    object_score=2.0,
    compound_odds=1.0,
    presence_ms=0.0,
    stable_dwell_ms=600.0,
    change_clear=0.05,
)
"""The tuning of sessions whose recording does not say it: what was added since is switched off."""
