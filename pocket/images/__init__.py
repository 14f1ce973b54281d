"""Images: what a Dockerfile says, built from files, kept by their content, and copied for each container."""

from pocket.images.build import Build, build
from pocket.images.dockerfile import DockerfileError
from pocket.images.store import Config, Image, ImageStore, ImageUnknown

__all__ = ["Build", "Config", "DockerfileError", "Image", "ImageStore", "ImageUnknown", "build"]
