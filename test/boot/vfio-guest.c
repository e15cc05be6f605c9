/*
 * Drives PCI device "edu" (src/vmm/devices/pci/edu.ts) from user space of a guest: registers and buffer through sysfs,
 * interrupts of its pin through uio_pci_generic, DMA at bus addresses of the window that maps all of the guest's memory
 * (LoPAPR, "Dynamic DMA Windows"). Prints one line for each thing that it proves.
 *
 *   vfio-guest SYSFS-DEVICE UIO-DEVICE WINDOW-PROPERTY
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IDENTIFICATION = 0x00, STATUS = 0x08, ACKNOWLEDGE = 0x0c, RAISE = 0x10, ADDRESS_LOW = 0x20, ADDRESS_HIGH = 0x24,
       OFFSET = 0x28, LENGTH = 0x2c, COMMAND = 0x30, RESULT = 0x34 };
enum { TO_BUFFER = 1, TO_MEMORY = 2, INTERRUPT = 0x100 };

static volatile uint32_t *registers;
static volatile uint8_t *buffer;
static int uio, config;

static void die(const char *what)
{
	printf("FAILED %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t get(int at) { return registers[at / 4]; }
static void set(int at, uint32_t value) { registers[at / 4] = value; }

static void *map(const char *device, const char *name, size_t size)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", device, name);
	int fd = open(path, O_RDWR | O_SYNC);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) die(path);
	return at;
}

/* Sets bits of the command register, and lets the pin interrupt. */
static void set_command(uint16_t bits)
{
	uint16_t command;
	if (pread(config, &command, 2, 4) != 2) die("config");
	command = (command | bits) & ~0x400;
	if (pwrite(config, &command, 2, 4) != 2) die("config");
}

/* Where this process's page lies in the guest's memory. */
static uint64_t physical(void *page)
{
	uint64_t entry = 0;
	uint64_t size = sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)page / size * 8) != 8) die("pagemap");
	close(fd);
	return (entry & ((1ull << 55) - 1)) * size;
}

static uint32_t dma(int command, uint64_t address, uint32_t offset, uint32_t length)
{
	set(ADDRESS_LOW, address);
	set(ADDRESS_HIGH, address >> 32);
	set(OFFSET, offset);
	set(LENGTH, length);
	set(COMMAND, command);
	return get(RESULT);
}

/* Interrupts counted by the driver since it was opened; waits for one, at most `milliseconds`. -1: none came. */
static int interrupt(int milliseconds)
{
	struct pollfd poller = { .fd = uio, .events = POLLIN };
	uint32_t count;
	if (poll(&poller, 1, milliseconds) != 1) return -1;
	return read(uio, &count, 4) == 4 ? (int)count : -1;
}

/* The driver masks the pin at each interrupt, by a bit of the command register. */
static void unmask(void)
{
	set_command(4);
}

int main(int argc, char **argv)
{
	if (argc != 4) return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	registers = map(argv[1], "resource0", 4096);
	buffer = map(argv[1], "resource2", 65536);
	uio = open(argv[2], O_RDWR);
	if (uio < 0) die(argv[2]);
	char path[256];
	snprintf(path, sizeof path, "%s/config", argv[1]);
	config = open(path, O_RDWR);
	if (config < 0) die(path);
	printf("identification %08x\n", get(IDENTIFICATION));

	uint8_t property[24];
	int fd = open(argv[3], O_RDONLY);
	if (fd < 0 || read(fd, property, sizeof property) != sizeof property) die(argv[3]);
	uint64_t start = 0;
	for (int i = 8; i < 16; i++) start = start << 8 | property[i];
	uint64_t size = 1ull << property[23];
	printf("window at %016llx\n", (unsigned long long)start);

	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED || mlock(memory, 2 * page)) die("memory");
	uint8_t *other = memory + page;
	for (size_t i = 0; i < page; i++) memory[i] = i * 7 + 3, other[i] = 0xee;
	uint64_t from = start + physical(memory), to = start + physical(other);

	printf("no master: result %u\n", dma(TO_BUFFER, from, 0, 4096));
	/* A bus master, which uio_pci_generic leaves to others. */
	set_command(4);
	printf("memory to device: result %u\n", dma(TO_BUFFER, from, 0, 32768));
	int wrong = 0;
	for (int i = 0; i < 32768; i += 61) wrong += buffer[i] != memory[i];
	printf("wrong bytes: %d\n", wrong);
	buffer[5] = 0x5a;
	printf("device to memory: result %u\n", dma(TO_MEMORY | INTERRUPT, to + 100, 0, 30000));
	memory[5] = 0x5a;
	printf("wrong bytes: %d\n", memcmp(other + 100, memory, 30000) != 0 || other[99] != 0xee || other[30100] != 0xee);
	printf("interrupt %d, asserted %x\n", interrupt(20000), get(STATUS));
	set(ACKNOWLEDGE, 15);
	unmask();
	printf("more: %d\n", interrupt(200));

	for (int i = 2; i < 20; i++) {
		set(RAISE, 1 + i % 15);
		int count = interrupt(20000);
		if (count != i) {
			printf("FAILED: interrupt %d is counted as %d\n", i, count);
			return 1;
		}
		set(ACKNOWLEDGE, 15);
		unmask();
	}
	printf("interrupts counted: 19\n");

	/* A storm: what nobody takes back comes once, until it is unmasked. */
	for (int i = 0; i < 3000; i++) set(RAISE, 1 << i % 4);
	printf("storm: %d\n", interrupt(20000));
	printf("after the storm: %d\n", interrupt(200));
	set(ACKNOWLEDGE, 15);

	/* Outside of every window, at the ends of this one, a page that nobody mapped, a buffer that is too small. */
	uint64_t bad[] = { 1ull << 40, start - 4096, start + size - 8, start + size, ~0ull << 12, 0x3ffff000 };
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint32_t read_result = dma(TO_BUFFER, bad[i], 0, 4096), write_result = dma(TO_MEMORY, bad[i], 0, 4096);
		printf("hostile %u: results %u %u\n", i, read_result, write_result);
	}
	printf("too long: result %u\n", dma(TO_MEMORY, to, 65536 - 16, 17));
	printf("no such command: result %u\n", dma(7, to, 0, 1));
	printf("other memory: %s\n", memcmp(other + 100, memory, 30000) == 0 && other[99] == 0xee ? "as it was" : "changed");
	return 0;
}
