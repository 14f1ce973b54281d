# pocket: the cluster on this machine. `make -f pocket.mak help` lists the targets.
# POCKET_HOME, POCKET_PORT_BASE and POCKET_GATEWAY_PORT in the environment give a second one its own place.

include common.mak

POCKET := .venv/bin/python -m pocket

## start: start it, or what is missing of it, and make its context current
.PHONY: start
start: .venv/bin/python
	@$(POCKET) start

## stop: stop all of it; the objects and the data stay for the next start
.PHONY: stop
stop: .venv/bin/python
	@$(POCKET) stop

## restore: take back the copy of the objects that the last start made
.PHONY: restore
restore: .venv/bin/python
	@$(POCKET) restore

## status: its parts and their memory
.PHONY: status
status: .venv/bin/python
	@$(POCKET) status

## ls: one line about it
.PHONY: ls
ls: .venv/bin/python
	@$(POCKET) ls
