/** The states of the devices that x86 VMs have in the kernel side. Source: arch/x86/include/uapi/asm/kvm.h. */

/** Of struct kvm_irqchip: the first of the older controllers. */
export const KVM_IRQCHIP_PIC_MASTER = 0;
/** Of struct kvm_irqchip: the second of the older controllers, on the first one's input 2. */
export const KVM_IRQCHIP_PIC_SLAVE = 1;
/** Of struct kvm_irqchip: the IOAPIC. */
export const KVM_IRQCHIP_IOAPIC = 2;

/** struct kvm_pic_state. */
export interface X86PicState {
  /** Lines as they are, a bit each. */
  last_irr: number;
  /** Interrupts that wait. */
  irr: number;
  /** Interrupts that are masked. */
  imr: number;
  /** Interrupts that are being handled. */
  isr: number;
  /** The input of the highest priority, 0 to 7. */
  priority_add: number;
  /** Vector of input 0: a multiple of 8. */
  irq_base: number;
  /** 1: a read gives `isr`, else `irr`. */
  read_reg_select: number;
  /** 1: the next read polls. */
  poll: number;
  /** 1: special mask mode. */
  special_mask: number;
  /** Which initialisation word comes next, less 1; 0: none. */
  init_state: number;
  /** 1: an interrupt ends by itself. */
  auto_eoi: number;
  /** 1: priorities rotate then. */
  rotate_on_auto_eoi: number;
  /** 1: special fully nested mode. */
  special_fully_nested_mode: number;
  /** 1: there is a fourth initialisation word. */
  init4: number;
  /** Inputs that are level-triggered. */
  elcr: number;
  /** Inputs that can be. */
  elcr_mask: number;
}

/** struct kvm_ioapic_state. */
export interface X86IoapicState {
  /** Where its registers are: 0xfec00000. */
  base_address: bigint;
  /** The register that is selected. */
  ioregsel: number;
  /** Its identifier, 4 bits. */
  id: number;
  /** Lines as they are, a bit each. */
  irr: number;
  /** 24 entries of 64 bits, as the guest reads them. */
  redirtbl: bigint[];
}

/** struct kvm_irqchip: `pic` of the two older controllers, `ioapic` of the IOAPIC. */
export interface X86Irqchip {
  /** KVM_IRQCHIP_*. */
  readonly chip_id: number;
  /** Of KVM_IRQCHIP_PIC_MASTER and _SLAVE. */
  readonly pic?: X86PicState;
  /** Of KVM_IRQCHIP_IOAPIC. */
  readonly ioapic?: X86IoapicState;
}

/** Bytes of struct kvm_lapic_state: a local APIC's registers, each at its place in the APIC's page. */
export const KVM_APIC_REG_SIZE = 0x400;

/** Of struct kvm_pit_config: port 0x61 is answered in the kernel side, which it is either way. */
export const KVM_PIT_SPEAKER_DUMMY = 1;
/** Of struct kvm_pit_state2: the HPET has its interrupt. There is none here. */
export const KVM_PIT_FLAGS_HPET_LEGACY = 1;
/** Of struct kvm_pit_state2: bit 1 of port 0x61. */
export const KVM_PIT_FLAGS_SPEAKER_DATA_ON = 2;

/** struct kvm_pit_channel_state. */
export interface X86PitChannel {
  /** What it counts from, to 65536; 0: nothing has been loaded. */
  count: number;
  /** What has been latched. */
  latched_count: number;
  /** `rw_mode` if a count has been latched, or 0. */
  count_latched: number;
  /** 1: a status has been latched. */
  status_latched: number;
  /** Which. */
  status: number;
  /** What is read next: 1 the low byte, 2 the high one, 3 and 4 of both the low and the high one. */
  read_state: number;
  /** What is written next, as `read_state`. */
  write_state: number;
  /** The low byte, until the high one is written. */
  write_latch: number;
  /** Which bytes are read and written: 1, 2, 3 both. */
  rw_mode: number;
  /** 0 to 5. */
  mode: number;
  /** 1: it counts in decimal. */
  bcd: number;
  /** Whether it counts. */
  gate: number;
  /** When it was loaded: the guest's time, ns. What is set begins anew. */
  count_load_time: bigint;
}

/** struct kvm_pit_state2. */
export interface X86PitState {
  /** Three. */
  channels: X86PitChannel[];
  /** KVM_PIT_FLAGS_*. */
  flags: number;
}

/** Of struct kvm_clock_data: the clock is the same on all vCPUs. */
export const KVM_CLOCK_TSC_STABLE = 2;
/** Of struct kvm_clock_data: `realtime` counts. */
export const KVM_CLOCK_REALTIME = 4;
/** Of struct kvm_clock_data: `host_tsc` counts. */
export const KVM_CLOCK_HOST_TSC = 8;

/** struct kvm_clock_data. */
export interface X86Clock {
  /** KVM's clock as the guest reads it, ns. */
  clock: bigint;
  /** KVM_CLOCK_*. */
  flags: number;
  /** When that was, ns since 1970. */
  realtime?: bigint;
  /** The host's time-stamp counter then: there is none here. */
  host_tsc?: bigint;
}

/** Of struct kvm_vcpu_events: `nmi.pending` counts. */
export const KVM_VCPUEVENT_VALID_NMI_PENDING = 1;
/** Of struct kvm_vcpu_events: `sipi_vector` counts. */
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 2;
/** Of struct kvm_vcpu_events: `interrupt.shadow` counts. */
export const KVM_VCPUEVENT_VALID_SHADOW = 4;
/** Of struct kvm_vcpu_events: `smi` counts. There is no system management mode here. */
export const KVM_VCPUEVENT_VALID_SMM = 8;
/** Of struct kvm_vcpu_events: `exception.pending` and its payload count (KVM_CAP_EXCEPTION_PAYLOAD). */
export const KVM_VCPUEVENT_VALID_PAYLOAD = 16;
/** Of struct kvm_vcpu_events: `triple_fault` counts (KVM_CAP_X86_TRIPLE_FAULT_EVENT). */
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 32;

/** `interrupt.shadow`: behind MOV SS or POP SS. */
export const KVM_X86_SHADOW_INT_MOV_SS = 1;
/** `interrupt.shadow`: behind STI. */
export const KVM_X86_SHADOW_INT_STI = 2;

/** struct kvm_vcpu_events. */
export interface X86VcpuEvents {
  /** One that is taken before the next instruction. */
  exception: {
    /** 1: it is taken. */
    injected: number;
    /** Its vector, 0 to 31 but for 2. */
    nr: number;
    /** 1: `error_code` counts. */
    has_error_code: number;
    /** With KVM_VCPUEVENT_VALID_PAYLOAD, 1: it is taken, with its payload. */
    pending: number;
    /** What its handler finds on the stack. */
    error_code: number;
  };
  /** An external interrupt that the processor has accepted, and whether there is a shadow (KVM_X86_SHADOW_INT_*). */
  interrupt: {
    /** 1: there is one. */
    injected: number;
    /** Its vector, 0 to 255. */
    nr: number;
    /** 0: a software interrupt never waits here. */
    soft: number;
    /** KVM_X86_SHADOW_INT_*, or 0. */
    shadow: number;
  };
  /** Non-maskable interrupts: one that is taken next, one that waits, and whether one is being handled. */
  nmi: {
    /** 1: it is taken next, whether another one is being handled or not. */
    injected: number;
    /** 1: one waits. */
    pending: number;
    /** 1: one is being handled. */
    masked: number;
  };
  /** Where a start-up message has the processor begin, in pages. */
  sipi_vector: number;
  /** KVM_VCPUEVENT_VALID_*. */
  flags: number;
  /** 1: the next run() is the exit "shutdown". */
  triple_fault: {
    /** 1: it is the end. */
    pending: number;
  };
  /** 1: `exception_payload` counts. */
  exception_has_payload: number;
  /** Of #PF what becomes CR2, of #DB what is added to DR6. */
  exception_payload: bigint;
}

/** struct kvm_translation. */
export interface X86Translation {
  /** What was asked for. */
  readonly linear_address: bigint;
  /** Where that is; nothing if it is not `valid`. */
  readonly physical_address: bigint;
  /** Whether page tables lead there. */
  readonly valid: number;
  /** As in Linux, always 1. */
  readonly writeable: number;
  /** As in Linux, always 0. */
  readonly usermode: number;
}
