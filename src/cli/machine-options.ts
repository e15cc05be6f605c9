/** Options of a guest's machine that several commands have. */
import { InvalidArgumentError } from "commander";
import { VmmError } from "../vmm/errors.js";
import { cpuModel } from "../vmm/machines/pseries/cpu-models.js";
import { maximumMemory, minimumMemory } from "../vmm/machines/pseries/machine.js";
import { parseSize } from "./sizes.js";

/** RAM is a whole number of these. */
const memoryGranule = 65536;

/** Turns a VmmError about an option's value into commander's usage error. */
export function checked<T>(check: (text: string, before?: T) => T): (text: string, before?: T) => T {
  return (text, before) => {
    try {
      return check(text, before);
    } catch (error) {
      if (error instanceof VmmError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

/** Bytes of RAM. */
export const parseMemory = checked((text: string): number => {
  const size = parseSize(text);
  const inMebibytes = (bytes: number): string => `${bytes / 1048576}M`;
  if (size < minimumMemory) throw new VmmError(`a guest needs at least ${inMebibytes(minimumMemory)} of memory`);
  if (size > maximumMemory) throw new VmmError(`a guest can have at most ${inMebibytes(maximumMemory)} of memory`);
  return Math.floor(size / memoryGranule) * memoryGranule;
});
/** A processor model's own name. */
export const parseCpu = checked((text: string): string => cpuModel(text).name);
