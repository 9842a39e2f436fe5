/** The user-space bottleneck's process: through the C library where that can be called, otherwise `node:dgram`. */
import { serveCalls } from './child-calls.js'
import type { UserSpaceConfig, UserSpaceStats } from './user-space-bottleneck.js'
import { startDgramLink } from './user-space-dgram.js'

let stats: (() => UserSpaceStats) | null = null

/** Layouts are those of LP64 Linux; koffi may be missing its binary on rare systems. */
async function loadNative(): Promise<typeof import('./user-space-native.js') | null> {
  if (process.platform !== 'linux' || !['x64', 'arm64', 'riscv64'].includes(process.arch)) return null
  return import('./user-space-native.js').catch(() => null)
}

serveCalls({
  start: async (config: UserSpaceConfig) => {
    const native = config.isPortable ? null : await loadNative()
    stats = native === null ? await startDgramLink(config) : native.startNativeLink(config)
  },
  stats: () => stats?.() ?? null,
})
