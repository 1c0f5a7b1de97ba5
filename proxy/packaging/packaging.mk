# What people run, and how it gets onto their machines. Included by the Makefile.

.PHONY: build install uninstall deb package-test
PREFIX ?= /usr/local
DESTDIR ?=
built = $(or $(CARGO_TARGET_DIR),target)/release
# Without the tests and benchmarks, which need more to be built.
release = cargo build --release --locked --workspace --exclude linkgate-tests --exclude linkgate-bench --bins

build: ## Release binaries, man pages, completions and notices of licences, in target/release
	@tests/setup/all.sh build
	@$(env); $(release)
	@rm -rf $(built)/packaging
	@$(built)/linkgate-manual $(built)/packaging
	@gzip -9nr $(built)/packaging/man
	@$(built)/linkgate --example-config > $(built)/packaging/linkgate.properties.example
	@$(env); proxy/packaging/notices.sh > $(built)/packaging/THIRD-PARTY-NOTICES

install: ## Install what make build has made (PREFIX=/usr/local, DESTDIR=)
	@BUILT='$(built)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' proxy/packaging/install.sh install

uninstall: ## Remove what make install has installed
	@BUILT='$(built)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' proxy/packaging/install.sh uninstall

deb: build ## A Debian package, in target/debian
	@$(env); "$$(tests/setup/cargo_deb.sh)" --no-build --locked --manifest-path proxy/Cargo.toml

package-test: deb ## Install, start, upgrade, remove and purge the Debian package in a chroot (as root)
	@tests/package.sh
