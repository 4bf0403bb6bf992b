"""The stack of containers: its description, its image, and the files that it is started on."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from compose import BIN, PROJECT, compose, services

from driftdrill.rig.tools import find_tools
from scenarios.target import load_target

ALL = services()
LASTING = sorted(set(ALL) - {"config"})
SPEED = 60


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("etc")
    write(folder, SPEED)
    return folder


def write(folder: Path, speed: float) -> None:
    command = [sys.executable, PROJECT / "deploy" / "stack.py", "--speed", str(speed)]
    subprocess.run([*command, "--out", folder], check=True)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def ports(service: str) -> set[int]:
    """Where a service answers, by its own health check."""
    return {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", str(ALL[service]))}


def test_the_stack_is_all_that_was_promised():
    assert set(ALL) == {
        "config",
        "target-service",
        "locust-master",
        "locust-worker",
        "prometheus",
        "alertmanager",
        "grafana",
        "node-exporter",
        "cadvisor",
        "attach",
    }
    assert [name for name in ALL if ALL[name].get("profiles")] == ["attach"]


def test_grafana_has_no_default_password():
    done = compose("config", "--quiet")
    assert done.returncode != 0
    assert "GRAFANA_ADMIN_PASSWORD" in done.stderr


@pytest.mark.parametrize("name", ALL)
def test_a_container_can_do_no_more_than_it_has_to(name):
    service = ALL[name]
    uid, _, gid = service["user"].partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert int(service["mem_limit"]) > 0
    assert 0 < float(service["cpus"]) <= 1, "an engine of one processor refuses more"
    assert service["pids_limit"] > 0


@pytest.mark.parametrize("name", ALL)
def test_what_a_container_sees_of_the_machine_it_cannot_write(name):
    for mount in ALL[name].get("volumes", ()):
        if mount["type"] == "bind":
            assert mount["read_only"] is True
            assert "docker.sock" not in mount["source"]


@pytest.mark.parametrize("name", ALL)
def test_ports_are_open_to_this_machine_alone(name):
    for port in ALL[name].get("ports", ()):
        assert port["host_ip"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["target-service", "locust-worker"])
def test_what_is_scaled_claims_no_name_and_no_port_of_the_machine(name):
    assert not {"ports", "container_name"} & set(ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_images_are_pinned_and_can_be_replaced(name):
    _, _, tag = ALL[name]["image"].rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    variable = {"prometheus": "PROMETHEUS_IMAGE", "grafana": "GRAFANA_IMAGE"}.get(name)
    if variable:
        digest = "mirror/image@sha256:" + 64 * "0"
        assert services(**{variable: digest})[name]["image"] == digest


@pytest.mark.parametrize("name", LASTING)
def test_a_container_that_lasts_says_whether_it_is_well(name):
    check = ALL[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert check["test"][1] == ("python" if "build" in ALL[name] else "wget")
    assert check["retries"] > 0
    assert ALL[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", ALL)
def test_nobody_starts_before_those_he_asks(name):
    for other, wait in ALL[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other == "config" else "service_healthy"
        assert wait["condition"] == wanted
    mounts = {mount["source"]: mount for mount in ALL[name].get("volumes", ())}
    if "config" in mounts and name != "config":
        assert "config" in ALL[name]["depends_on"] or name == "grafana"
        assert mounts["config"]["read_only"] is True


def test_another_speed_makes_every_container_anew():
    faster = services(DRIFTDRILL_SPEED="120")
    assert all(service["labels"] == {"driftdrill.speed": "120"} for service in faster.values())
    assert "120" in faster["config"]["command"]
    assert "--speed=120" in faster["locust-master"]["command"]


def test_the_image_is_built_as_dockerfiles_should_be():
    done = subprocess.run(
        [BIN / "hadolint", PROJECT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_image_has_everything_that_its_commands_name():
    kept = [
        line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if "!" in line
    ]
    for name in ("driftdrill/", "scenarios/", "target_service/", "deploy/", "prometheus/"):
        assert name in kept
    for service in ALL.values():
        for word in service.get("command") or ():
            path = word.rpartition("=")[2]
            if path.startswith("deploy/"):
                assert (PROJECT / path).exists()


def test_prometheus_asks_every_replica_and_every_server(written):
    config = read(written / "prometheus" / "prometheus.yml")
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (found,) = jobs.pop("target-service")["dns_sd_configs"]
    assert found["names"] == ["target-service"]
    assert found["port"] in ports("target-service")
    for job in jobs.values():
        ((address,),) = [c["targets"] for c in job["static_configs"]]
        host, _, port = address.rpartition(":")
        assert int(port) in ports("prometheus" if host == "localhost" else host)
    assert {"prometheus", "alertmanager", "locust", "node", "cadvisor"} == set(jobs)
    (alertmanagers,) = config["alerting"]["alertmanagers"]
    assert alertmanagers["static_configs"] == [{"targets": ["alertmanager:9093"]}]


def test_prometheus_and_alertmanager_take_their_files(written):
    tools = find_tools()
    done = subprocess.run(
        [tools.promtool.path, "check", "config", written / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shipped = {path.name for path in (PROJECT / "prometheus" / "rules").glob("*.yml")}
    loaded = {path.name for path in (written / "prometheus" / "rules").glob("*")}
    assert loaded == shipped | {"driftdrill.yml"}


def test_a_drill_of_the_stack_wakes_nobody(written):
    config = read(written / "prometheus" / "prometheus.yml")
    assert config["global"]["external_labels"] == {"drill": "true"}
    route = read(written / "alertmanager" / "alertmanager.yml")["route"]["routes"][0]
    assert route["matchers"] == ['drill = "true"']
    rules = read(written / "grafana" / "provisioning" / "alerting" / "rules.yml")
    for group in rules["groups"]:
        assert all(rule["labels"]["drill"] == "true" for rule in group["rules"])


def test_grafana_finds_its_sources_and_dashboards_and_keeps_its_pace(written):
    provisioning = written / "grafana" / "provisioning"
    for source in read(provisioning / "datasources" / "driftdrill.yml")["datasources"]:
        address = urlsplit(source["url"])
        assert address.port in ports(str(address.hostname))
        if source["type"] == "prometheus":
            assert source["jsonData"]["timeInterval"] == "250ms"
    (provider,) = read(provisioning / "dashboards" / "driftdrill.yml")["providers"]
    found = sorted(Path(provider["options"]["path"]).glob("*.json"))
    assert [json.loads(path.read_text())["title"] for path in found]
    groups = read(provisioning / "alerting" / "rules.yml")["groups"]
    assert {group["interval"] for group in groups} == {"10s"}
    environment = ALL["grafana"]["environment"]
    assert environment["GF_PATHS_PROVISIONING"] == "/etc/driftdrill/grafana/provisioning"
    home = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (written / Path(home).relative_to("/etc/driftdrill")).exists()


def test_at_speed_1_the_servers_read_what_production_reads(tmp_path):
    write(tmp_path, 1)
    for path in (PROJECT / "prometheus" / "rules").glob("*.yml"):
        assert read(tmp_path / "prometheus" / "rules" / path.name) == read(path)
    shipped = read(PROJECT / "prometheus" / "alertmanager.yml")
    assert read(tmp_path / "alertmanager" / "alertmanager.yml") == shipped
    rules = read(tmp_path / "grafana" / "provisioning" / "alerting" / "rules.yml")
    assert {group["interval"] for group in rules["groups"]} == {"60s"}


def test_a_second_start_keeps_the_key_and_no_rule_of_the_first(tmp_path):
    write(tmp_path, 1)
    key = tmp_path / "token.key"
    before = key.read_text()
    assert len(before) == 64
    assert key.stat().st_mode & 0o077 == 0
    removed = tmp_path / "prometheus" / "rules" / "removed.yml"
    removed.write_text("groups: []\n")
    write(tmp_path, 60)
    assert key.read_text() == before
    assert not removed.exists()


def test_the_target_of_the_drills_is_the_service_of_the_stack():
    target = load_target(PROJECT / "deploy" / "target.yaml")
    address = urlsplit(target.url)
    assert address.hostname == "target-service"
    assert address.port in ports("target-service")
    assert f"--target={Path('deploy') / 'target.yaml'}" in ALL["locust-master"]["command"]
    assert f"build/models/{target.model}" in ALL["target-service"]["command"]
