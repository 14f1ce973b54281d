"""Places a small graph from left to right, in layers, with boxes around the nodes of one app. Pure; no dependencies.

1. A box and what is in it is one block; inside, services stand left of the versions that they lead to.
2. Blocks get layers: one more than the highest that leads to them; edges that close a circle are turned round first.
3. Edges over several layers get a place of their own (a waypoint) in every layer between, so as not to cross boxes.
4. Within a layer, blocks are ordered by where their neighbours stand, back and forth until the order is the best seen.
5. Blocks are stacked around the middle, then moved towards their neighbours as far as there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

NODE = 46.0  # the side of a node
LABEL = 22.0  # room for the text below a node
GAP_X, GAP_Y = 150.0, 34.0  # between layers; between blocks of one layer
INNER_X, INNER_Y = 120.0, 18.0  # between nodes inside a box
PAD = 22.0  # between a box and its nodes
_SWEEPS = 12


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Block:
    """What is placed as one: a box with its nodes, a node, or a waypoint. `offsets`: middles of its nodes."""

    id: str
    width: float
    height: float
    offsets: dict[str, Point] = field(default_factory=dict)
    layer: int = 0
    y: float = 0.0  # of its middle


@dataclass(frozen=True)
class Placed:
    """Middles of nodes, rectangles of boxes, and for each edge the points between its ends."""

    nodes: Mapping[str, Point]
    boxes: Mapping[str, Box]
    waypoints: Mapping[str, tuple[Point, ...]]
    width: float
    height: float


def place(
    nodes: Sequence[str],
    parents: Mapping[str, str],
    edges: Mapping[str, tuple[str, str]],
    left_in_box: Iterable[str] = (),
) -> Placed:
    """Places nodes. parents: node to box. edges: id to (source, target). left_in_box: nodes that stand left."""
    blocks = {block.id: block for block in _blocks(nodes, parents, set(left_in_box))}  # 1.
    block_of = {node: parents.get(node, node) for node in nodes}
    links = sorted({(block_of[a], block_of[b]) for a, b in edges.values() if block_of[a] != block_of[b]})
    forward = _without_circles(sorted(blocks), links)  # 2.
    for identity, layer in _layers(sorted(blocks), forward).items():
        blocks[identity].layer = layer
    chains = _waypoints(blocks, forward)  # 3.
    neighbours = [(a, b) for chain in chains.values() for a, b in pairwise(chain)]
    layers = _order(blocks, neighbours)  # 4.
    _stack(layers, blocks, neighbours)  # 5.
    return _result(blocks, layers, parents, edges, block_of, chains)


def _blocks(nodes: Sequence[str], parents: Mapping[str, str], left: set[str]) -> list[Block]:
    members: dict[str, list[str]] = {}
    for node in nodes:
        members.setdefault(parents.get(node, node), []).append(node)
    blocks = []
    for identity, inside in members.items():
        boxed = inside[0] in parents
        columns = [[node for node in inside if (node in left) is side] for side in (True, False)]
        columns = [column for column in columns if column]
        tall = max(len(column) for column in columns)
        height = tall * (NODE + LABEL) + (tall - 1) * INNER_Y
        width = len(columns) * NODE + (len(columns) - 1) * INNER_X
        offsets = {}
        for number, column in enumerate(columns):
            x = -width / 2 + NODE / 2 + number * (NODE + INNER_X)
            for row, node in enumerate(column):
                step = NODE + LABEL + INNER_Y
                offsets[node] = Point(x, (row - (len(column) - 1) / 2) * step - LABEL / 2)
        pad = PAD if boxed else 0.0
        blocks.append(Block(identity, width + 2 * pad, height + 2 * pad, offsets))
    return blocks


def _without_circles(blocks: Sequence[str], links: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The links, those turned round that lead back to a block that is still being looked at (depth first)."""
    targets: dict[str, list[str]] = {}
    for source, target in links:
        targets.setdefault(source, []).append(target)
    reached = {target for _, target in links}
    state: dict[str, int] = {}  # 1: being looked at, 2: done
    found: list[tuple[str, str]] = []
    for start in [block for block in blocks if block not in reached] + list(blocks):
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(targets.get(start, ())))]
        while stack:
            block, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[block] = 2
                stack.pop()
            elif state.get(following) == 1:
                found.append((following, block))
            else:
                found.append((block, following))
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(targets.get(following, ()))))
    return sorted(set(found))


def _layers(blocks: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    layers = dict.fromkeys(blocks, 0)
    for _ in blocks:
        changed = False
        for source, target in links:
            if layers[target] < layers[source] + 1:
                layers[target] = layers[source] + 1
                changed = True
        if not changed:
            break
    return layers


def _waypoints(blocks: dict[str, Block], links: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """For each link the chain of blocks that it passes; adds the waypoints."""
    chains = {}
    for source, target in links:
        chain = [source]
        for layer in range(blocks[source].layer + 1, blocks[target].layer):
            identity = f"{source} {target} {layer}"
            blocks[identity] = Block(identity, 0.0, 14.0, layer=layer)
            chain.append(identity)
        chains[source, target] = [*chain, target]
    return chains


def _order(blocks: Mapping[str, Block], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(1 + max(block.layer for block in blocks.values()))]
    for identity in sorted(blocks):
        layers[blocks[identity].layer].append(identity)
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for source, target in links:
        before.setdefault(target, []).append(source)
        after.setdefault(source, []).append(target)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        look = before if forward else after
        numbers = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for number in numbers:
            position = {identity: index for layer in layers for index, identity in enumerate(layer)}

            def middle(identity: str, position: Mapping[str, int] = position) -> float:
                around = look.get(identity)  # noqa: B023  (used within this turn only)
                return sum(position[one] for one in around) / len(around) if around else position[identity]

            layers[number].sort(key=middle)
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _crossings(layers: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> int:
    """How many pairs of neighbouring links cross each other."""
    position = {identity: index for layer in layers for index, identity in enumerate(layer)}
    layer_of = {identity: number for number, layer in enumerate(layers) for identity in layer}
    by_layer: dict[int, list[tuple[int, int]]] = {}
    for source, target in links:
        by_layer.setdefault(layer_of[source], []).append((position[source], position[target]))
    return sum(
        1
        for pairs in by_layer.values()
        for index, (a, b) in enumerate(pairs)
        for c, d in pairs[index + 1 :]
        if (a - c) * (b - d) < 0
    )


def _stack(layers: Sequence[Sequence[str]], blocks: Mapping[str, Block], links: Sequence[tuple[str, str]]) -> None:
    for layer in layers:
        total = sum(blocks[identity].height for identity in layer) + GAP_Y * (len(layer) - 1)
        y = -total / 2
        for identity in layer:
            blocks[identity].y = y + blocks[identity].height / 2
            y += blocks[identity].height + GAP_Y
    around: dict[str, list[str]] = {}
    for source, target in links:
        around.setdefault(source, []).append(target)
        around.setdefault(target, []).append(source)
    for _ in range(4):
        for layer in layers:
            _pull(layer, blocks, around)


def _pull(layer: Sequence[str], blocks: Mapping[str, Block], around: Mapping[str, Sequence[str]]) -> None:
    """Moves each block of a layer towards the middle of its neighbours, as far as the blocks beside it allow."""
    for index, identity in enumerate(layer):
        block = blocks[identity]
        near = around.get(identity)
        if not near:
            continue
        wanted = sum(blocks[one].y for one in near) / len(near)
        if index > 0:
            above = blocks[layer[index - 1]]
            wanted = max(wanted, above.y + (above.height + block.height) / 2 + GAP_Y)
        if index + 1 < len(layer):
            below = blocks[layer[index + 1]]
            wanted = min(wanted, below.y - (below.height + block.height) / 2 - GAP_Y)
        block.y = wanted


def _result(
    blocks: Mapping[str, Block],
    layers: Sequence[Sequence[str]],
    parents: Mapping[str, str],
    edges: Mapping[str, tuple[str, str]],
    block_of: Mapping[str, str],
    chains: Mapping[tuple[str, str], Sequence[str]],
) -> Placed:
    top = min(block.y - block.height / 2 for block in blocks.values())
    bottom = max(block.y + block.height / 2 for block in blocks.values())
    middles, widths, x = [], [], 0.0
    for layer in layers:
        width = max((blocks[identity].width for identity in layer), default=0.0)
        widths.append(width)
        middles.append(x + width / 2)
        x += width + GAP_X
    nodes, boxes = {}, {}
    for block in blocks.values():
        centre = Point(middles[block.layer], block.y - top)
        for node, offset in block.offsets.items():
            nodes[node] = Point(centre.x + offset.x, centre.y + offset.y)
        if block.id in set(parents.values()):
            boxes[block.id] = Box(centre.x - block.width / 2, centre.y - block.height / 2, block.width, block.height)
    waypoints = {}
    for identity, (source, target) in edges.items():
        pair = block_of[source], block_of[target]
        chain = chains.get(pair) or list(reversed(chains.get((pair[1], pair[0]), pair)))
        side = 1 if middles[blocks[chain[0]].layer] < middles[blocks[chain[-1]].layer] else -1
        waypoints[identity] = tuple(
            Point(middles[blocks[one].layer] + part * side * widths[blocks[one].layer] / 2, blocks[one].y - top)
            for one in chain[1:-1]
            for part in (-1, 1)  # level past everything else in the layer
        )
    return Placed(nodes, boxes, waypoints, x - GAP_X, bottom - top)
