"""What helps the relation task of a run: further captions, imagined pictures and a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from model import pretrained
from model.alignment.captions import Captions
from model.alignment.contrast import Examples
from model.alignment.imagined import ImaginedClasses, class_names
from model.alignment.leakage import HeldOut
from model.alignment.sentences import SentenceVectors
from model.alignment.teacher import Teacher
from model.recognition import CLASSES
from model.relation import CaptionedPairs, ImaginedPairs, Pair, Pairs
from model.rpbert import RpBert
from model.training.data import Data
from model.training.pictures import Pictures
from model.training.settings import TrainingSettings
from model.words import WordPieces


class AlignmentCounts(BaseModel):
    """What the relation task was helped by; stands in the report.

    Attributes:
        off: Why there was neither teacher nor imagined pictures, where something stood against them.
        further_pictures: Captioned pictures of all directories but the first that were trained on.
        left_out_pictures: Those that were not, too close to what is held out.
        imagined_classes: ImageNet classes that were imagined.
        left_out_classes: Those that were not, too close to what is held out.
        teacher_auc: Area under the teacher's ROC curve on the held-out pairs; None without a teacher.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    off: str | None
    further_pictures: int
    left_out_pictures: int
    imagined_classes: int
    left_out_classes: int
    teacher_auc: float | None


@dataclass(frozen=True, slots=True)
class Alignment:
    """Captions and what they were used for.

    Attributes:
        captions: Captioned pictures.
        examples: Pictures and texts for the linear fits; None where the vision is trained.
        classes: What may be imagined, if that is wanted and can be.
        teacher: Judges pairs that no person did, likewise.
        off: Why neither can be; None if they can.
    """

    captions: Captions
    examples: Examples | None
    classes: ImaginedClasses | None
    teacher: Teacher | None
    off: str | None

    @classmethod
    def prepare(
        cls, settings: TrainingSettings, data: Data, model: RpBert, pictures: Pictures
    ) -> Alignment | None:
        """Choose the captions and fit the teacher, the same whenever a run is resumed.

        Returns:
            None without captioned pictures.

        Raises:
            DatasetError: too few captioned pictures to hold some out.
            WeightsError: all-MiniLM, or ImageNet's classifier, can't be had.
        """
        sentences = SentenceVectors()
        captions = data.captions(pictures, sentences, settings.seed)
        if captions is None:
            return None
        classifier, off = _classifier(settings, model)
        if settings.vision == "tuned":
            return cls(captions, None, None, None, off)
        classes = None
        if classifier is not None and settings.imagined_share:
            names = HeldOut(captions.held_out, sentences).given_away_by(class_names())
            classes = ImaginedClasses(classifier, [kind for kind in range(CLASSES) if not names[kind]])
        examples = Examples(
            _pooled(pictures, [picture.path for picture in captions.trained]),
            [picture.caption for picture in captions.trained],
            first=len(captions.trained) - len(captions.further),
            classes=classes,
        )
        teacher = None
        if classifier is not None and settings.teacher_share:
            teacher = Teacher(examples, classifier, sentences, settings.seed)
        return cls(captions, examples, classes, teacher, off)

    def pairs(self, settings: TrainingSettings, pieces: WordPieces) -> list[Pairs]:
        """Pairs of captioned pictures, and of imagined ones if there are any."""
        captioned = CaptionedPairs(
            self.captions, pieces.prepare, settings.seed, settings.captioned_pictures_per_epoch
        )
        if self.classes is None:
            return [captioned]
        count = round(len(captioned) * settings.imagined_share / (1 - settings.imagined_share))
        return [captioned, ImaginedPairs(self.classes, self.captions, pieces.prepare, count)]

    def counts(self, pictures: Pictures, held_out: Sequence[Pair]) -> AlignmentCounts:
        """For the report.

        Args:
            pictures: where the pictures are.
            held_out: pairs of captioned pictures that only measure.
        """
        imagined = 0 if self.classes is None else len(self.classes.kinds)
        auc = None
        if self.teacher is not None:
            pooled = _pooled(pictures, [pair.picture for pair in held_out])
            scores = self.teacher.probability(pooled.numpy(), [pair.text.text for pair in held_out])
            auc = float(roc_auc_score([pair.related for pair in held_out], scores))
        return AlignmentCounts(
            off=self.off,
            further_pictures=len(self.captions.further),
            left_out_pictures=self.captions.left_out,
            imagined_classes=imagined,
            left_out_classes=0 if self.classes is None else CLASSES - imagined,
            teacher_auc=auc,
        )

    def __str__(self) -> str:
        """What is on and what is off, in a line."""
        further = (
            f"{len(self.captions.further)} further captioned pictures, {self.captions.left_out} left out"
        )
        if self.off is not None:
            return f"relation: {further}; no teacher and no imagined pictures: {self.off}"
        imagined = 0 if self.classes is None else len(self.classes.kinds)
        teacher = "no teacher" if self.teacher is None else "a teacher"
        return f"relation: {further}; {teacher}; {imagined} imagined classes"


def _classifier(settings: TrainingSettings, model: RpBert) -> tuple[nn.Linear | None, str | None]:
    """ImageNet's classifier over the run's backbone, or why there is none."""
    if not (settings.teacher_share or settings.imagined_share):
        return None, "--teacher-share and --imagined-share are 0"
    if settings.vision == "tuned":
        return None, "the vision is trained"
    if settings.untrained:
        return None, "the backbone is untrained"
    if settings.initial_release is not None:
        try:
            if not pretrained.has_imagenet_weights(model.vision):
                return None, "the release's backbone is not ImageNet's"
        except pretrained.WeightsError as error:
            return None, f"whether the release's backbone is ImageNet's can't be seen: {error}"
    return pretrained.classifier(model.config, settings.backbone_weights), None


def _pooled(pictures: Pictures, paths: Sequence[Path]) -> Tensor:
    """Mean over the blocks of each picture, `(pictures, channels)`."""
    each = {path: pictures.load(path).mean(axis=0, dtype=np.float32) for path in dict.fromkeys(paths)}
    return torch.from_numpy(np.stack([each[path] for path in paths]))
