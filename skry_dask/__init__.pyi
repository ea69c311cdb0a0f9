from . import plotting
from .capture.calibration.calibrate import calibrate
from .capture.open import as_zarr, import_capture, open_capture
from .capture.select import select
from .errors import (
    AlignmentError,
    BudgetError,
    OptionsError,
    ReaderError,
    SkryError,
    StoreError,
)
from .finishing.resolution.measurement import measure_resolution
from .finishing.sharpening.sharpen import sharpen
from .finishing.tone.tone import adjust_tone
from .io.positions import read_positions
from .options import (
    AlignOptions,
    CalibrationOptions,
    Options,
    QualityOptions,
    ReadOptions,
    RefineOptions,
    RotationOptions,
    SelectOptions,
    StackOptions,
    TrackOptions,
)
from .options.animation import AnimationOptions
from .options.combining import CombineOptions
from .options.rotation import DerotateOptions
from .options.sharpening import SharpenOptions
from .options.simulation import SimulateOptions
from .options.timelapse import TimelapseOptions
from .options.tone import ToneOptions
from .phases.align import align
from .phases.derotate import derotate
from .phases.partial_stacks import partial_stacks
from .phases.quality import estimate_quality
from .phases.reference import choose_reference
from .phases.refine import refine
from .phases.stack import stack
from .phases.track import track
from .pipeline.animation import Animation, animate
from .pipeline.batch import run_many
from .pipeline.combine import combine
from .pipeline.derotation import derotate_images
from .pipeline.description import Description, describe
from .pipeline.image_files import open_image, save_image
from .pipeline.masters import make_master
from .pipeline.outcome import Outcome
from .pipeline.progress import Progress
from .pipeline.report import report
from .pipeline.run import run
from .pipeline.summary import Summary
from .pipeline.timelapse import Movie, timelapse
from .simulation.simulate import simulate
from .store.results.reading import Results, open_results
from .version import __version__
from .widgets.show import browse_frames, compare_images

__all__ = [
    "AlignOptions",
    "AlignmentError",
    "Animation",
    "AnimationOptions",
    "BudgetError",
    "CalibrationOptions",
    "CombineOptions",
    "DerotateOptions",
    "Description",
    "Movie",
    "Options",
    "OptionsError",
    "Outcome",
    "Progress",
    "QualityOptions",
    "ReadOptions",
    "ReaderError",
    "RefineOptions",
    "Results",
    "RotationOptions",
    "SelectOptions",
    "SharpenOptions",
    "SimulateOptions",
    "SkryError",
    "StackOptions",
    "StoreError",
    "Summary",
    "TimelapseOptions",
    "ToneOptions",
    "TrackOptions",
    "__version__",
    "adjust_tone",
    "align",
    "animate",
    "as_zarr",
    "browse_frames",
    "calibrate",
    "choose_reference",
    "combine",
    "compare_images",
    "derotate",
    "derotate_images",
    "describe",
    "estimate_quality",
    "import_capture",
    "make_master",
    "measure_resolution",
    "open_capture",
    "open_image",
    "open_results",
    "partial_stacks",
    "plotting",
    "read_positions",
    "refine",
    "report",
    "run",
    "run_many",
    "save_image",
    "select",
    "sharpen",
    "simulate",
    "stack",
    "timelapse",
    "track",
]
