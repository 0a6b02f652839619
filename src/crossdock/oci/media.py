"""Media types of the OCI image specification 1.1 and of Docker's image manifest, version 2, schema 2."""

from __future__ import annotations

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
#: The content of a config or blob that says nothing (image specification, "Guidance for an Empty Descriptor").
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = frozenset({INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})

#: What each of Docker's types is called by OCI; the bytes behind them are the same.
AS_OCI = {
    DOCKER_INDEX: INDEX,
    DOCKER_MANIFEST: MANIFEST,
    DOCKER_CONFIG: CONFIG,
    DOCKER_LAYER_GZIP: LAYER_GZIP,
    DOCKER_LAYER: LAYER,
}

#: On an entry of a layout's index: the tag, or the whole name, that it goes by (annotations.md).
REF_NAME = "org.opencontainers.image.ref.name"
#: containerd's and Docker's: the full name with tag.
CONTAINERD_NAME = "io.containerd.image.name"
