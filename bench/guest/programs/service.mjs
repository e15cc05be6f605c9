// JavaScript as servers run it: classes, maps, closures, regular expressions, JSON, sorting, typed arrays.
import { writeSync } from "node:fs";

let seed = 5;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >>> 8) % below;
};

class Store {
  #byName = new Map();
  add({ name, ...rest }) {
    const list = this.#byName.get(name) ?? [];
    list.push(rest);
    this.#byName.set(name, list);
  }
  summary() {
    return [...this.#byName]
      .map(([name, list]) => ({ name, count: list.length, sum: list.reduce((sum, { price }) => sum + price, 0) }))
      .sort((a, b) => b.sum - a.sum || a.name.localeCompare(b.name));
  }
}

function handle(step) {
  const store = new Store();
  for (let i = 0; i < 150; i++)
    store.add({ name: `item ${random(40)}`, price: random(1000) / 4, tags: ["a", `t${i % 5}`] });
  const text = JSON.stringify(store.summary());
  const back = JSON.parse(text);
  const words = text.replaceAll(/"(\w+) (\d+)"/g, (_, word, number) => `"${number} ${word.toUpperCase()}"`);
  return back.length + words.length + (words.match(/\d+ ITEM/g)?.length ?? 0) + step;
}

function sieve(limit) {
  const flags = new Uint8Array(limit);
  let count = 0;
  for (let i = 2; i < limit; i++) {
    if (flags[i]) continue;
    count++;
    for (let j = i * 2; j < limit; j += i) flags[j] = 1;
  }
  return count;
}

let total = 0;
for (let step = 0; step < 20; step++) {
  total += handle(step) + sieve(10000 + step);
  writeSync(9, ".");
}
console.log(total);
