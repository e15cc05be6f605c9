/**
 * What there is once on a thread, however many versions of this package are loaded: a value under a name of globalThis. What
 * other versions left there is taken for what it says it is, so its form is part of what versions agree on.
 */
export class ProcessWide<T> {
  readonly #key: symbol;

  constructor(name: string) {
    this.#key = Symbol.for(name);
  }

  get value(): T | undefined {
    return Reflect.get(globalThis, this.#key) as T | undefined;
  }

  set value(value: T | undefined) {
    if (value === undefined) Reflect.deleteProperty(globalThis, this.#key);
    else Reflect.set(globalThis, this.#key, value);
  }
}
