"""The board: what the page asks for is what the harness finds, whole and in order."""

from scenarios.board import Board, Request, Start, announce, read_start


def test_a_request_is_found_as_it_was_made(tmp_path):
    wanted = Request("covariate-sudden", 120.0, 7)
    asked = Board(tmp_path).ask(wanted)
    found = Board(tmp_path).last()
    assert found == asked
    assert found.request == wanted
    assert not found.ended


def test_nothing_was_asked_for_at_first(tmp_path):
    assert Board(tmp_path).last() is None


def test_the_tenth_run_comes_after_the_ninth(tmp_path):
    board = Board(tmp_path)
    runs = [board.ask(Request("steady", 60.0, seed)) for seed in range(11)]
    assert [run.number for run in runs] == list(range(1, 12))
    assert board.last() == runs[-1]


def test_a_run_that_ended_says_so(tmp_path):
    run = Board(tmp_path).ask(Request("steady", 60.0, 0))
    run.end()
    assert Board(tmp_path).last().ended


def test_the_start_is_read_as_it_was_announced(tmp_path):
    path = tmp_path / "start"
    assert read_start(path) is None
    start = Start(1.5, ("http://127.0.0.1:8000", "http://127.0.0.1:8001"), 2)
    announce(path, start)
    assert read_start(path) == start
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_view_replaces_the_old_one(tmp_path):
    board = Board(tmp_path)
    for text in ("<p>one</p>", "<p>two</p>"):
        board.show(text)
    assert board.view_file.read_text() == "<p>two</p>"
