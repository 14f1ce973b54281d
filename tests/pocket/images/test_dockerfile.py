import textwrap

import pytest

from pocket.images.dockerfile import INSTRUCTIONS, Copy, DockerfileError, Stage, markdown, parse, substitute


def last(text: str, **args: str) -> Stage:
    return parse(textwrap.dedent(text), args).stages[-1]


def refusal(text: str) -> str:
    with pytest.raises(DockerfileError) as caught:
        parse(textwrap.dedent(text), name="s1/Dockerfile")
    return str(caught.value)


def test_a_service_as_people_write_it() -> None:
    parsed = parse(
        textwrap.dedent("""\
            # syntax=docker/dockerfile:1
            FROM python:3.12-slim AS build
            COPY requirements.lock /
            RUN pip install \\
                # a comment inside
                --require-hashes \\

                -r /requirements.lock
            FROM python:3.12-slim
            COPY --from=build /usr/local /usr/local
            WORKDIR /code
            COPY servicekit /code/servicekit
            COPY s1/app.py s1/openapi.json ./
            ENV A=1 B="two words" C=$A
            USER 10001
            EXPOSE 30000
            LABEL org.opencontainers.image.title="s1"
            CMD ["gunicorn", "app:app"]
        """)
    )
    assert [stage.name for stage in parsed.stages] == ["build", "1"]
    stage = parsed.stages[-1]
    assert stage.steps == (
        Copy(10, ("/usr/local",), "/usr/local", stage="build"),
        "/code",
        Copy(12, ("servicekit",), "/code/servicekit"),
        Copy(13, ("s1/app.py", "s1/openapi.json"), "/code/"),
    )
    settings = stage.settings
    assert settings.env == {"A": "1", "B": "two words", "C": ""}  # C sees A as it was before its line
    assert settings.workdir == "/code"
    assert settings.cmd == ("gunicorn", "app:app")
    assert settings.entrypoint is None
    assert settings.ports == ("30000",)
    assert settings.labels == {"org.opencontainers.image.title": "s1"}
    assert [note.split(":")[1] for note in parsed.notes] == ["4", "15"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM a\nADD x /", "s1/Dockerfile:2: ADD: not supported by pocket: use COPY"),
        ("FROM a\nVOLUME /data", "s1/Dockerfile:2: VOLUME: not supported"),
        ("FROM a\nSHELL [\"bash\"]", "s1/Dockerfile:2: SHELL: not supported"),
        ("FROM a\nSTOPSIGNAL INT", "s1/Dockerfile:2: STOPSIGNAL: not supported"),
        ("FROM a\nONBUILD RUN x", "s1/Dockerfile:2: ONBUILD: not supported"),
        ("FROM a\nCOPPY x /", "s1/Dockerfile:2: COPPY: unknown instruction"),
        ("FROM a\nRUN <<EOF\nx\nEOF", "s1/Dockerfile:2: RUN: here-documents are not supported"),
        ("FROM a\nCOPY <<EOF /x\nx\nEOF", "s1/Dockerfile:2: COPY: here-documents"),
        ("FROM a\n\n# c\nCOPY x", "s1/Dockerfile:4: COPY: it needs a source and a target"),
        ("FROM a\nCOPY x y z", "s1/Dockerfile:2: COPY: with more than one source the target must be a folder"),
        ("FROM a\nCOPY --parents x y/", "s1/Dockerfile:2: COPY: --parents: not supported"),
        ("FROM a\nCOPY --chmod=u+x x y/", "s1/Dockerfile:2: COPY: --chmod=u+x: pocket takes a mode"),
        ("FROM a\nCMD ['x']", "s1/Dockerfile:2: CMD: ['x']: the exec form is a JSON list"),
        ("FROM a\nENV A", "s1/Dockerfile:2: ENV: A: write it KEY=VALUE"),
        ("FROM a\nENV A=1 B", "s1/Dockerfile:2: ENV: B: write it KEY=VALUE"),
        ('FROM a\nENV A="1', "a quote is not closed"),
        ("FROM a\nENV A=${B%x}", "s1/Dockerfile:2: ENV: ${B%x}: not supported by pocket"),
        ("FROM a b", "s1/Dockerfile:1: FROM: a b: write it FROM IMAGE [AS NAME]"),
        ("FROM $MISSING", "s1/Dockerfile:1: FROM: $MISSING: the image's name is empty"),
        ("COPY a b", "s1/Dockerfile:1: COPY: stands before the first FROM"),
        ("FROM", "s1/Dockerfile:1: FROM: it needs an argument"),
        ("# nothing\n", "s1/Dockerfile: there is no FROM"),
        ("# escape=`\nFROM a", "s1/Dockerfile:1: escape=`: not supported"),
    ],
)
def test_refusals_name_the_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_every_instruction_of_docker_is_in_the_table() -> None:
    # https://docs.docker.com/reference/dockerfile/#overview
    known = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER"
    assert set(INSTRUCTIONS) == {*known.split(), "VOLUME", "WORKDIR"}


def test_shell_and_exec_forms() -> None:
    stage = last("FROM a\nENTRYPOINT exec python app.py $X\nCMD [\"-v\", \"two words\"]")
    assert stage.settings.entrypoint == ("/bin/sh", "-c", "exec python app.py $X")
    assert stage.settings.cmd == ("-v", "two words")


def test_arguments() -> None:
    text = """
        ARG BASE=python:3.12
        FROM $BASE AS one
        ARG BASE
        ARG WHO=nobody
        ENV WHO2=$WHO BASE2=$BASE
        FROM one
        ENV LATER=$WHO
    """
    assert last(text).settings.env == {"WHO2": "nobody", "BASE2": "python:3.12", "LATER": ""}
    parsed = parse(textwrap.dedent(text), {"WHO": "me", "OTHER": "x"})
    assert parsed.stages[-1].settings.env["WHO2"] == "me"
    assert any("OTHER" in note for note in parsed.notes)


def test_env_wins_over_arg() -> None:
    assert last("FROM a\nENV A=env\nARG A=arg\nENV B=$A").settings.env["B"] == "env"


def test_a_stage_inherits_from_its_base() -> None:
    stage = last("""
        FROM x AS base
        WORKDIR /code
        ENV A=1
        CMD ["base"]
        FROM base
        WORKDIR sub/../other
        ENV B=2
    """)
    assert stage.settings.workdir == "/code/other"
    assert stage.settings.env == {"A": "1", "B": "2"}
    assert stage.settings.cmd == ("base",)


def test_a_new_entrypoint_drops_the_inherited_command_only() -> None:
    base = 'FROM x AS base\nCMD ["base"]\nFROM base\n'
    assert last(base + 'ENTRYPOINT ["e"]').settings.cmd is None
    assert last(base + 'CMD ["own"]\nENTRYPOINT ["e"]').settings.cmd == ("own",)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "a"), ("${A}x", "ax"), ("$Ax", ""), ("${N:-d}", "d"), ("${N-d}", "d"), ("${E:-d}", "d"), ("${E-d}", ""),
        ("${A:+y}", "y"), ("${N:+y}", ""), ("${E+y}", "y"), (r"\$A", "$A"), ("${N:-$A}", "a"), ("a$", "a$"),
        (r"a\ b", r"a\ b"),
    ],
)  # fmt: skip
def test_variables(text: str, result: str) -> None:
    assert substitute(text, {"A": "a", "E": ""}) == result


def test_quotes_in_env() -> None:
    settings = last(r"""
        FROM a
        ENV A=x
        ENV ONE='$A' TWO="$A\"q" THREE=a\ b FOUR=$A'$A'
        ENV OLD some words  here
    """).settings
    assert settings.env == {
        "A": "x", "ONE": "$A", "TWO": 'x"q', "THREE": "a b", "FOUR": "x$A", "OLD": "some words  here",
    }  # fmt: skip


def test_path_extends_dockers_default() -> None:
    assert last("FROM a\nENV PATH=/venv/bin:$PATH").settings.env["PATH"].startswith("/venv/bin:/usr/local/sbin:")


def copy(line: str) -> Copy:
    step = last(f"FROM a\nWORKDIR /w\n{line}").steps[-1]
    assert isinstance(step, Copy)
    return step


def test_copy_targets() -> None:
    def target(line: str) -> str:
        return copy(line).target

    assert target("COPY a b") == "/w/b"
    assert target("COPY a b/") == "/w/b/"
    assert target("COPY a .") == "/w/"
    assert target("COPY a /") == "/"
    assert target("COPY a /x/../y") == "/y"
    assert target('COPY ["a b", "c d/"]') == "/w/c d/"
    assert copy("COPY --chmod=755 --chown=1:1 --link a b").mode == 0o755


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert parse("\ufeffFROM a\r\nCMD [\"x\"]\r\n").stages[0].settings.cmd == ("x",)


def test_the_table_is_rendered() -> None:
    assert "| `ADD` | refused | use COPY |" in markdown()
