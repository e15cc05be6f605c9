import { RtasStatus, rtas } from "./rtas.js";

const splparCharacteristics = 20;
const platformProcessorDiagnosticsRunMode = 42;

/** A platform parameter, by number, as a 16-bit length and its bytes. Source: LoPAPR, "System Parameters Option". */
export const getSystemParameter = rtas(
  0x2008,
  "ibm,get-system-parameter",
  [3, 1],
  (host, { inputs: [parameter = 0, buffer = 0, length = 0] }) => {
    let value: Uint8Array;
    if (parameter === splparCharacteristics) {
      const memory = Math.floor(host.memorySize / 1048576);
      const text = `MaxEntCap=${host.cpus * 100},DesMem=${memory},DesProcs=${host.cpus},MaxPlatProcs=${host.cpus}\0`;
      value = new TextEncoder().encode(text);
    } else if (parameter === platformProcessorDiagnosticsRunMode) {
      value = Uint8Array.of(0); // disabled
    } else {
      return RtasStatus.parameterError;
    }
    const encoded = new Uint8Array(value.length + 2);
    new DataView(encoded.buffer).setUint16(0, value.length);
    encoded.set(value, 2);
    if (length < 2) return RtasStatus.systemParameterError;
    return host.memory.write(buffer, encoded.subarray(0, length))
      ? RtasStatus.success
      : RtasStatus.systemParameterError;
  },
);
