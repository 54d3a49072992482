# SPDX-License-Identifier: GPL-3.0-or-later
"""The redo panel of a move: Blender undoes the operator, and calls it again with the properties that it had left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import pytest


def called(**changed: Any) -> dict[str, Any]:
    """Call the operator as a button does; returns the properties that the redo panel then has."""
    assert bpy.ops.reangle.apply_move("EXEC_DEFAULT", True, **changed) == {"FINISHED"}
    last = bpy.context.window_manager.operators[-1]
    assert last.bl_idname == "REANGLE_OT_apply_move"
    names = (item.identifier for item in last.properties.bl_rna.properties if item.identifier != "rna_type")
    return {name: getattr(last.properties, name) for name in names if last.properties.is_property_set(name)}


@pytest.fixture
def redo(shot: SimpleNamespace) -> Any:
    """`redo(kept, **changed)` does what the redo panel does after these properties were changed."""
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")

    def redo(kept: dict[str, Any], **changed: Any) -> dict[str, Any]:
        bpy.ops.ed.undo()
        return called(**{**kept, **changed})

    return redo


def new_cameras() -> list[str]:
    state = bpy.context.scene.reangle
    return [item.name for item in bpy.context.scene.objects if item.type == "CAMERA" and item != state.source]


def test_another_move_in_the_redo_panel_takes_its_own_amount(shot: SimpleNamespace, redo: Any) -> None:
    kinds = shot.reangle("core.contract.moves").KINDS
    label_of = shot.reangle("choices").label_of
    kept = called(move="orbit-left", amount=170)
    assert new_cameras() == ["Orbit Left 170"]
    for move, kind in kinds.items():
        kept = redo(kept, move=move)
        wanted = 170 if move == "orbit-left" else kind.default
        assert new_cameras() == [f"{label_of('move', move)} {wanted:g}"]
    # What the artist sets for one move stays with it, and outside its range there is nothing to set.
    kept = redo(kept, move="dolly-in", dolly_in_amount=300)
    assert new_cameras() == ["Dolly In 95"]
    kept = redo(kept, move="handheld", handheld_amount=-3, seed=4)
    assert new_cameras() == ["Handheld 0"]
    kept = redo(kept, move="dolly-in", easing="linear", hold=True, follow=False)
    assert new_cameras() == ["Dolly In 95"]
    redo(kept, move="orbit-left")
    assert new_cameras() == ["Orbit Left 170"]
    # The next button starts anew.
    called(move="dolly-in")
    assert new_cameras()[-1] == "Dolly In 20"


@pytest.mark.parametrize(("move", "amount"), [("dolly-in", 96), ("handheld", 20), ("orbit-up", -5), ("roll-left", 1e9)])
def test_an_amount_that_a_script_gives_is_never_changed(shot: SimpleNamespace, move: str, amount: float) -> None:
    kind = shot.reangle("core.contract.moves").KINDS[move]
    with pytest.raises(RuntimeError, match=rf"{kind.label} by .* is outside 0 to {kind.maximum:g} \({kind.unit}\)"):
        bpy.ops.reangle.apply_move(move=move, amount=amount)
    assert new_cameras() == []


def test_the_sidebar_keeps_the_amount_in_the_range_of_the_move(shot: SimpleNamespace) -> None:
    known = shot.state.of(bpy.context.scene)
    for move, kind in shot.reangle("core.contract.moves").KINDS.items():
        known.move = move
        assert known.move_amount == pytest.approx(kind.default)
        setattr(known, known.amount_property, 1000)
        assert known.move_amount == pytest.approx(kind.maximum)
        assert bpy.ops.reangle.apply_move(move=move, amount=known.move_amount) == {"FINISHED"}
