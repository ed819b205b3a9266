"""A demo's folder is its own while it runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from api.demo import run
from gateway.errors import SettingsError


def test_a_second_demo_in_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    environment.write_text("the first one's")
    monkeypatch.chdir(tmp_path)
    with run._alone(tmp_path):
        result = CliRunner().invoke(
            main, ["demo", "--data", str(tmp_path), "--port", "0", "--sandbox-port", "0"]
        )
        assert result.exit_code == 1
        assert "runs in" in result.stderr
        assert "--data" in result.stderr
        with pytest.raises(SettingsError), run._alone(tmp_path):
            raise AssertionError("two at once")
    assert environment.read_text() == "the first one's"
    with run._alone(tmp_path):
        pass  # the first has ended
