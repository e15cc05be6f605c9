import { type HcallHandler, HcallStatus, tooHard } from "./hcall.js";
import { rtasByName } from "./rtas/list.js";

/** Header: token, number of arguments, number of results, 32 bits each; then both. */
const headerSize = 12;
const mostArguments = 16;

/**
 * What the RTAS stub in the guest's memory calls: r4 is the address of the argument block. Calls whose token the user side
 * has defined (KVM_PPC_RTAS_DEFINE_TOKEN) end here, all others are its own.
 */
export const rtas: HcallHandler = (vcpu, [block]) => {
  const { memory } = vcpu.vm;
  const header = memory.read(block, headerSize);
  if (!header) return tooHard;
  const name = vcpu.vm.rtasCall(header.getUint32(0));
  const call = name === undefined ? undefined : rtasByName.get(name);
  if (!call) return tooHard;
  const count = header.getUint32(4);
  const results = header.getUint32(8);
  if (count > mostArguments || results > mostArguments) return tooHard;
  const bytes = headerSize + 4 * (count + results);
  const asked = memory.read(block, bytes);
  if (!asked || results === 0 || !memory.isWritable(block, bytes)) return HcallStatus.parameter;
  const args = Array.from({ length: count }, (_, i) => asked.getUint32(headerSize + 4 * i));
  const right = count === call.arguments && results === call.results;
  const [status, ...values] = right ? call.handler(vcpu.vm, args) : [-3];
  memory.write(block, bytes, (view) => {
    view.setInt32(headerSize + 4 * count, status);
    for (const [i, value] of values.entries()) view.setUint32(headerSize + 4 * (count + 1 + i), value);
  });
  vcpu.trace("rtas", call.name, Object.fromEntries([...args.map((arg, i) => [`arg${i}`, arg]), ["status", status]]));
  return HcallStatus.success;
};
