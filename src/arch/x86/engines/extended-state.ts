/**
 * The areas that XSAVE and its kin work with: components of the state by their bits in XCR0, and where each lies. Source: Intel
 * SDM, volume 1, "Managing State Using the XSAVE Feature Set".
 */

/** Bits of XCR0, XSTATE_BV and the like. */
export const StateComponent = { x87: 1, sse: 2, avx: 4, keys: 1 << 9 } as const;

/** Bytes from an area's begin: XSTATE_BV and XCOMP_BV, and where the components that FXSAVE has not begin. */
export const AreaPart = { header: 512, compaction: 520, reserved: 528, extended: 576 } as const;

/** CPUID 0xD, subleaf 1, EAX: there are areas whose components lie one behind the other. */
export const compactedAreas = 0xa;

/**
 * The components behind the header, in their order: bit of XCR0, offset in the form that is not compacted, bytes. PKRU is where
 * Intel's processors have it, behind AVX-512's state.
 */
export const extendedComponents = [
  { bit: 2, offset: 576, size: 256 },
  { bit: 9, offset: 2688, size: 8 },
] as const;

/** Bytes of an area with these components; `compacted`: one behind the other. */
export function areaSize(components: number, compacted: boolean): number {
  let end: number = AreaPart.extended;
  for (const { bit, offset, size } of extendedComponents) {
    if ((components >> bit) & 1) end = compacted ? end + size : offset + size;
  }
  return end;
}
