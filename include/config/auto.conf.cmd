deps_config := \
	src/host/Kconfig \
	src/vfio/Kconfig \
	src/arch/powerpc/Kconfig \
	src/kvm/Kconfig \
	src/vac/Kconfig \
	Kconfig \

include/config/auto.conf: $(deps_config)


$(deps_config): ;
