from __future__ import annotations
import bpy, numpy as np, tiny, pytest, os, shutil, traceback, subprocess, sys, addon_utils
from types import SimpleNamespace
from pathlib import Path
from conftest import import_clip, wait_for_jobs, choose_clip, MODULE
from saving import settle, save, own, media, all_there, results_of


def t(name, f):
    try:
        print("==", name, f())
    except Exception as e:
        print("==", name, "EXC", repr(e)[:500])


def quiet(desk, s=60):
    desk.main_thread.pump_until(lambda: not desk.main_thread.is_busy(), timeout_s=s)


def all_strips(edit):
    ed = edit.sequence_editor
    if ed is None:
        return []
    return list(ed.strips_all if hasattr(ed, "strips_all") else ed.sequences_all)


def S(edit):
    return sorted((s.name, s.type, s.channel, s.frame_final_start, s.frame_final_end, s.mute) for s in all_strips(edit))


def test_seq_again(rendered, clip, tmp_path):
    scene = bpy.context.scene
    known = rendered.state.of(scene)
    R = rendered.reangle
    t("seq", lambda: bpy.ops.reangle.results_to_sequencer(with_clip=True))
    edit = known.edit
    print("== S1", S(edit))
    a = next(s for s in all_strips(edit) if s.name == "Left")
    a.mute = True
    a.channel = 9
    a.frame_start = 21
    a.name = "Hero"
    b = next(s for s in all_strips(edit) if s.name == "In")
    ed = edit.sequence_editor
    coll = ed.strips if hasattr(ed, "strips") else ed.sequences
    t("split", lambda: b.split(frame=3, split_method="SOFT"))
    bpy.ops.reangle.render()
    wait_for_jobs(rendered)
    t("seq2", lambda: bpy.ops.reangle.results_to_sequencer(with_clip=True))
    print("== S2", S(edit))
    t("deleted", lambda: coll.remove(next(s for s in all_strips(edit) if s.name == "Hero")))
    t("seq3", lambda: bpy.ops.reangle.results_to_sequencer())
    print("== S3", S(edit))
    meta = coll.new_meta("M", 40, 1)
    for s in list(all_strips(edit)):
        if s.name.startswith("In"):
            s.move_to_meta(meta)
    print("== S4", S(edit))
    known.clip.frames = 3
    import_clip(rendered, clip)
    for c in ("Left", "In"):
        pass
    bpy.ops.reangle.render()
    wait_for_jobs(rendered)
    t("seq shorter", lambda: bpy.ops.reangle.results_to_sequencer(with_clip=True))
    print("== S5", S(edit), edit.frame_start, edit.frame_end)
    t("frames", lambda: bpy.ops.reangle.results_to_sequencer(timing="FRAMES"))
    bpy.data.scenes.remove(edit)
    t("seq after edit deleted", lambda: bpy.ops.reangle.results_to_sequencer())
    print("== S6", S(known.edit), known.edit.name)
    # occupied
    ed = known.edit.sequence_editor
    coll = ed.strips if hasattr(ed, "strips") else ed.sequences
    for s in list(all_strips(known.edit)):
        coll.remove(s)
    for ch in range(1, 128):
        coll.new_effect(
            name=f"c{ch}",
            type="COLOR",
            channel=ch,
            frame_start=1,
            **({"length": 300} if bpy.app.version >= (5, 0) else {"frame_end": 300}),
        )
    t("one channel for two", lambda: bpy.ops.reangle.results_to_sequencer())
    print("== S7", len(all_strips(known.edit)))
    # comp
    t("comp", lambda: bpy.ops.reangle.results_to_compositor())
    g = known.result_nodes
    print("== G", len(g.nodes), [i.name for i in g.interface.items_tree])
    for n in list(g.nodes)[:2]:
        g.nodes.remove(n)
    t("comp again", lambda: bpy.ops.reangle.results_to_compositor())
    print("== G", len(g.nodes), [i.name for i in g.interface.items_tree])
    out = [i for i in g.interface.items_tree][0]
    g.interface.remove(out)
    t("comp socket removed", lambda: bpy.ops.reangle.results_to_compositor())
    print("== G", len(g.nodes), [i.name for i in g.interface.items_tree])
    for n in [n for n in g.nodes if n.bl_idname == "NodeGroupOutput"]:
        g.nodes.remove(n)
    t("comp output removed", lambda: bpy.ops.reangle.results_to_compositor())
    print("== G", len(g.nodes), [i.name for i in g.interface.items_tree])
    for i in list(bpy.data.images):
        bpy.data.images.remove(i)
    t("comp images removed", lambda: bpy.ops.reangle.results_to_compositor())
    t("bg images removed", lambda: bpy.ops.reangle.results_to_backgrounds())
    print("== G", len(g.nodes), [i.name for i in g.interface.items_tree])
    bpy.data.node_groups.remove(g)
    t("comp group removed", lambda: bpy.ops.reangle.results_to_compositor())
    print("== G", known.result_nodes.name)
    known.first_frame = 50
    t("seq moved", lambda: bpy.ops.reangle.results_to_sequencer())


def test_toggle_while_job(shot):
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    bpy.ops.reangle.render()
    addon_utils.disable(MODULE, default_set=True)
    addon_utils.enable(MODULE, default_set=True)
    data = os.environ.get("X")
    R = shot.reangle
    mt, conn = R("exchange.main_thread"), R("exchange.connection")
    prefs = bpy.context.preferences.addons[MODULE].preferences
    print("== TOGGLE data folder", prefs.data_folder, conn.now.state)
    mt.pump_until(lambda: not mt.is_busy(), timeout_s=30)
    print(
        "== TOGGLE",
        [(j.title, j.state, j.loaded, j.message) for j in R("state").of(bpy.context.scene).jobs],
        conn.now.state,
    )


def test_markers_and_kinds(shot):
    scene = bpy.context.scene
    known = shot.state.of(scene)
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    side = scene.objects["Side"]
    # instanced by collection
    col = bpy.data.collections.new("Inst")
    cam = bpy.data.objects.new("InstCam", bpy.data.cameras.new("InstCam"))
    col.objects.link(cam)
    e = bpy.data.objects.new("I", None)
    e.instance_type = "COLLECTION"
    e.instance_collection = col
    scene.collection.objects.link(e)
    m = scene.timeline_markers.new("m", frame=1)
    m.camera = cam
    known.use_markers = True
    t("marker to camera not in scene", lambda: bpy.ops.reangle.render())
    quiet(shot)
    print("==", [(j.title, j.state, j.message, j.advice) for j in known.jobs][-1])
    m.camera = side
    side.data.type = "ORTHO"
    t("ortho", lambda: bpy.ops.reangle.render())
    side.data.type = "PANO"
    t("pano", lambda: bpy.ops.reangle.render())
    side.data.type = "PERSP"
    side.scale = (-1, 1, 1)
    t("mirrored", lambda: bpy.ops.reangle.render())
    side.scale = (2, 2, 2)
    t("scaled", lambda: bpy.ops.reangle.apply_move(move="roll-left", new=False, amount=1))
    known.origin.scale = (0, 0, 0)
    t("origin scale 0", lambda: bpy.ops.reangle.render())
    known.origin.scale = (1, 2, 1)
    t("origin nonuniform", lambda: bpy.ops.reangle.render())
    known.origin.scale = (1, 1, 1)
    scene.camera = None
    scene.timeline_markers.clear()
    t("markers none", lambda: bpy.ops.reangle.render())
    quiet(shot)
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 50
    t("timeremap", lambda: bpy.ops.reangle.render())
    quiet(shot)
    scene.frame_set(2, subframe=0.5)
    t("subframe", lambda: bpy.ops.reangle.render())
    print("== subframe kept", scene.frame_current, scene.frame_subframe)
    quiet(shot)
    print("==", [(j.title, j.state, j.loaded, j.message) for j in known.jobs])


def test_two_blenders(shot, tmp_path, backend_data):
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    bpy.ops.reangle.render()
    save(tmp_path / "p" / "two.blend")
    job = shot.state.of(bpy.context.scene).jobs[-1].name
    script = tmp_path / "other.py"
    script.write_text(f'''
import sys, os
sys.path[:0] = ["{Path(__file__).parent}", "{Path(__file__).parents[2]}"]
import conftest, bpy, addon_utils, importlib
from pathlib import Path
from build_extension import build
arch = build(Path("{tmp_path}"))
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.extensions.package_install_files(filepath=str(arch), repo="user_default", enable_on_install=True)
M = conftest.MODULE
bpy.context.preferences.addons[M].preferences.data_folder = "{backend_data}"
R = lambda n: importlib.import_module(M + "." + n)
bpy.ops.reangle.start_backend()
mt, c = R("exchange.main_thread"), R("exchange.connection")
mt.pump_until(lambda: c.now.state in ("on", "failed"), timeout_s=60)
bpy.ops.wm.open_mainfile(filepath="{tmp_path}/p/two.blend")
sc = bpy.context.scene
k = R("state").of(sc)
mt.pump_until(lambda: all(j.loaded for j in k.jobs), timeout_s=60)
mt.pump_until(lambda: not mt.is_busy(), timeout_s=60)
print("== OTHER", [(j.title, j.state, j.loaded, j.message) for j in k.jobs])
bpy.ops.reangle.results_to_sequencer()
bpy.ops.wm.save_mainfile()
sys.stdout.flush()
os._exit(0)
''')
    p = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    quiet(shot)
    out = p.communicate(timeout=120)[0]
    print("\n".join(l for l in out.splitlines() if "==" in l or "Error" in l or "Trace" in l))
    quiet(shot)
    print(
        "== ONE",
        [(j.title, j.state, j.loaded, j.message) for j in shot.state.of(bpy.context.scene).jobs],
        all_there(shot.reangle),
    )
    bpy.ops.wm.save_mainfile()
    quiet(shot)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "p" / "two.blend"))
    quiet(shot)
    print(
        "== REOPEN",
        [(j.title, j.state, j.loaded, j.message) for j in shot.state.of(bpy.context.scene).jobs],
        all_there(shot.reangle),
    )


def test_remove_used(rendered):
    known = rendered.state.of(bpy.context.scene)
    bpy.ops.reangle.results_to_sequencer()
    bpy.ops.reangle.results_to_backgrounds()
    job = known.jobs[-1].name
    t("remove with files that strips show", lambda: bpy.ops.reangle.remove_job(job=job, delete_files=True))
    quiet(rendered)
    print(
        "==", [j.title for j in known.jobs], [s.directory for s in all_strips(known.edit)], all_there(rendered.reangle)
    )
