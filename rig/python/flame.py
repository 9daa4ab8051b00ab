"""A flame graph of the output of `perf script`: flame.py SCRIPT SVG TITLE. Prints as JSON which functions cost most.

perf knows no names for frames of WebAssembly, so they are shown as `[guest or unknown]`.
"""

import html
import json
import re
import sys
from collections import Counter

WIDTH, ROW, LEAST = 1_600, 17, 0.3
HASH = re.compile(r"::h[0-9a-f]{16}$")


class Frame:
    def __init__(self):
        self.count, self.below = 0, {}


def name_of(line: str) -> str:
    name = line.strip().split(" ", 1)[1].rsplit(" (", 1)[0].rsplit("+0x", 1)[0]
    return "[guest or unknown]" if name.startswith("[unknown]") else HASH.sub("", name)


def stacks(file: str):
    stack: list[str] = []
    with open(file, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("\t", " ")) and line.strip():
                stack.append(name_of(line))
            elif not line.strip():
                if stack:
                    yield stack[::-1]
                stack = []
            else:
                # The head of a sample: the thread's name, and its id.
                stack = []
    if stack:
        yield stack[::-1]


def draw(frame: Frame, name: str, x: float, depth: int, scale: float, out: list[str]) -> int:
    width, deepest = frame.count * scale, depth
    if width < LEAST:
        return depth
    hue = 20 + hash_of(name) % 40
    text = html.escape(name if len(name) * 6.5 < width else name[: max(int(width / 6.5) - 1, 0)])
    out.append(
        f'<g><title>{html.escape(name)}: {frame.count} samples</title><rect x="{x:.1f}" y="{depth * ROW}" '
        f'width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue},80%,65%)"/>'
        f'<text x="{x + 2:.1f}" y="{depth * ROW + 12}">{text}</text></g>'
    )
    for below, child in sorted(frame.below.items()):
        deepest = max(deepest, draw(child, below, x, depth + 1, scale, out))
        x += child.count * scale
    return deepest


def hash_of(name: str) -> int:
    return sum(name.encode())


def main(script: str, svg: str, title: str) -> None:
    root, alone, under = Frame(), Counter(), Counter()
    for stack in stacks(script):
        at = root
        at.count += 1
        for name in stack:
            at = at.below.setdefault(name, Frame())
            at.count += 1
        alone[stack[-1]] += 1
        under.update(set(stack))
    if root.count == 0:
        sys.exit("perf took no samples")
    out: list[str] = []
    deepest = draw(root, title, 0, 0, WIDTH / root.count, out)
    with open(svg, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{(deepest + 1) * ROW}" '
            f'font-family="monospace" font-size="11">{"".join(out)}</svg>\n'
        )
    share = lambda counts: [[name, round(count / root.count, 4)] for name, count in counts.most_common(60)]
    print(json.dumps({"samples": root.count, "alone": share(alone), "under": share(under)}))


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(*sys.argv[1:])
