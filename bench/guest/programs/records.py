"""JSON there and back, as services do."""
import json
import os


def record(i):
    return {
        "id": i,
        "name": f"item number {i}",
        "price": i * 1.25,
        "tags": ["a" * (i % 7), "b", "\u00fc" * (i % 3)],
        "nested": {"ok": i % 2 == 0, "none": None, "list": list(range(i % 11))},
    }


total = 0
for step in range(28):
    text = json.dumps([record(i) for i in range(step * 10, step * 10 + 400)], sort_keys=True)
    back = json.loads(text)
    total += len(text) + sum(len(one["nested"]["list"]) for one in back if one["nested"]["ok"])
    pretty = json.dumps(back[:40], indent=2, ensure_ascii=False)
    total += pretty.count("\n")
    os.write(9, b".")
print(total)
