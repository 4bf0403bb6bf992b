"""Manifests for Kubernetes: valid, whole, locked down, and about the service that is shipped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from driftdrill.cli import app
from scenarios.spec import find
from scenarios.target import load_target

PROJECT = Path(__file__).parents[2]
BASE = PROJECT / "deploy" / "kubernetes"
DRILL = BASE / "drill"
OLDEST, NEWEST = "1.28", "1.37"

Manifest = dict[str, Any]


def manifests(folder: Path) -> Iterator[Manifest]:
    """What a kustomization names, as kustomize reads it."""
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        yield from yaml.safe_load_all((folder / name).read_text())


ALL = [*manifests(BASE), *manifests(DRILL)]
OPERATORS = {"ServiceMonitor", "PrometheusRule"}
PODS = [m for m in ALL if m["kind"] in {"Deployment", "Job"}]


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def the(kind: str, name: str) -> Manifest:
    (found,) = (m for m in ALL if (m["kind"], m["metadata"]["name"]) == (kind, name))
    return found


def pod(manifest: Manifest) -> Manifest:
    template: Manifest = manifest["spec"]["template"]
    return template


def container(manifest: Manifest) -> Manifest:
    (only,) = pod(manifest)["spec"]["containers"]
    found: Manifest = only
    return found


def test_what_is_made_from_rules_and_dashboards_is_up_to_date(tmp_path):
    command = [sys.executable, str(BASE / "build.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    stale = [
        path.name
        for path in tmp_path.iterdir()
        if (BASE / path.name).read_text() != path.read_text()
    ]
    assert stale == [], "run: python deploy/kubernetes/build.py"


@pytest.mark.parametrize("folder", [BASE, DRILL], ids=lambda folder: folder.name)
def test_a_kustomization_names_every_file_of_its_folder(folder):
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = set(kustomization["resources"])
    for generator in kustomization.get("configMapGenerator", ()):
        named |= set(generator["files"])
    assert named == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", [m for m in ALL if m["kind"] not in OPERATORS], ids=title)
def test_every_manifest_is_valid_for_old_and_new_clusters(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("manifest", [m for m in ALL if m["kind"] == "PrometheusRule"], ids=title)
def test_rules_hold_what_the_operator_takes(manifest):
    assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(manifest["spec"]) == {"groups"}
    for group in manifest["spec"]["groups"]:
        assert set(group) <= {"name", "interval", "rules", "limit", "query_offset", "labels"}
        for rule in group["rules"]:
            known = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
            assert set(rule) <= known
            assert ("record" in rule) != ("alert" in rule)
            assert isinstance(rule["expr"], str)


def test_the_service_is_scraped_as_prometheus_yml_does():
    monitor = the("ServiceMonitor", "target-service")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    spec = monitor["spec"]
    (endpoint,) = spec["endpoints"]
    config = yaml.safe_load((PROJECT / "prometheus" / "prometheus.yml").read_text())
    (job,) = (job for job in config["scrape_configs"] if job["job_name"] == "target-service")
    limits = {
        "sampleLimit": "sample_limit",
        "labelLimit": "label_limit",
        "labelValueLengthLimit": "label_value_length_limit",
        "bodySizeLimit": "body_size_limit",
    }
    assert set(spec) == {"selector", "endpoints", *limits}
    assert {name: spec[name] for name in limits} == {n: job[old] for n, old in limits.items()}
    assert endpoint["interval"] == config["global"]["scrape_interval"]
    assert endpoint["scrapeTimeout"] == config["global"]["scrape_timeout"]
    # Or the port's name would take the place of the route in the service's own metrics.
    assert {"action": "labeldrop", "regex": "endpoint"} in endpoint["relabelings"]
    service = the("Service", job["job_name"])  # the operator calls the job by the service's name
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("manifest", PODS, ids=title)
def test_pods_may_do_no_more_than_they_must(manifest):
    spec, only = pod(manifest)["spec"], container(manifest)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(only["resources"]["requests"]) == set(only["resources"]["limits"])
    assert {"cpu", "memory"} == set(only["resources"]["limits"])


@pytest.mark.parametrize("manifest", [m for m in ALL if m["kind"] == "Service"], ids=title)
def test_every_service_leads_to_a_port_of_some_pod(manifest):
    selector = manifest["spec"]["selector"].items()
    (selected,) = (p for p in PODS if selector <= pod(p)["metadata"]["labels"].items())
    ports = {port["name"]: port["containerPort"] for port in container(selected)["ports"]}
    (port,) = manifest["spec"]["ports"]
    assert ports[port["targetPort"]] == port["port"]


@pytest.mark.parametrize("name", ["drill", "drill-worker"])
def test_the_commands_of_a_drill_are_commands_of_driftdrill(name):
    (manifest,) = (m for m in PODS if m["metadata"]["name"] == name)
    program, command, *arguments = [
        *container(manifest)["command"],
        *container(manifest).get("args", ()),
    ]
    assert program == "driftdrill"
    group = get_command(app)
    with group.make_context("driftdrill", [command, *arguments]) as context:
        parsed = group.commands[command].make_context(command, list(arguments), parent=context)
    if command == "worker":
        assert parsed.params["master"] == the("Service", "drill")["metadata"]["name"]
        assert parsed.params["port"] == the("Service", "drill")["spec"]["ports"][0]["port"]
    else:
        (scenario,) = (find(name) for name in parsed.params["names"])
        assert not scenario.is_operated


def test_a_drill_asks_the_service_that_the_manifests_run():
    target = load_target(DRILL / "target.yaml")
    service = the("Service", "target-service")
    (port,) = service["spec"]["ports"]
    assert target.url == f"http://{service['metadata']['name']}:{port['port']}"


def test_workers_alone_may_reach_their_master():
    policy = the("NetworkPolicy", "drill")["spec"]
    master, workers = the("Job", "drill"), the("Deployment", "drill-worker")
    assert policy["podSelector"]["matchLabels"] == pod(master)["metadata"]["labels"]
    ((allowed,),) = (rule["from"] for rule in policy["ingress"])
    assert allowed["podSelector"]["matchLabels"] == pod(workers)["metadata"]["labels"]
    assert policy["ingress"][0]["ports"][0]["port"] == 5557
