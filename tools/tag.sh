#!/usr/bin/env bash
# Make the git tag of the version in pyproject.toml, on the commit that is checked out: tools/tag.sh. Pushing it is up to you.
source "$(dirname "$0")/lib.sh"
cd "$root"

version=$(python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
grep -q "^## ${version//./\\.}\$" CHANGELOG.md || die "CHANGELOG.md has no section $version: rename Unreleased, or change the version in pyproject.toml"
[[ -z $(git status --porcelain) ]] || die "there are changes that are not committed"
git tag --annotate "v$version" --message "C756 $version" || die "nothing was tagged (see above)"
say "v$version. To publish it: git push origin v$version"
