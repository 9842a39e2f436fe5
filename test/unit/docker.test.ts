/** The files under docker/ against the program they run: names that drift apart fail here, not at an operator's. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { COMMANDS } from '../../src/cli/commands.js'
import { DEFAULT_TCP_PORT, DEFAULT_UDP_PORT } from '../../src/config/defaults.js'
import { environmentValues } from '../../src/config/environment.js'
import { CONFIG_LEAVES, environmentName } from '../../src/config/schema.js'
import { GATEWAY_METRICS } from '../../src/inference/gateway/metrics.js'
import { METRICS } from '../../src/node/metrics-server.js'

const read = (name: string): string => readFileSync(join('docker', name), 'utf8')
const metricsIn = (text: string): Set<string> => new Set(text.match(/plumbline_[a-z_]+/g))

/** Read by the program without being configuration. */
const OTHER_VARIABLES = ['PLUMBLINE_PASSPHRASE_FILE', 'PLUMBLINE_DATA_DIR']
const known = new Set([...CONFIG_LEAVES.map(({ path }) => environmentName(path)), ...OTHER_VARIABLES])
const variablesIn = (text: string): string[] => text.match(/PLUMBLINE_[A-Z_]+(?==)/g) ?? []

describe('docker/', () => {
  it('shows every metric on the dashboard, and none that is not served', () => {
    const dashboard = JSON.parse(read('grafana/plumbline.json')) as {
      readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[]
    }
    const queried = metricsIn(
      dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' '),
    )
    expect([...queried].sort()).toEqual(
      [...METRICS.map(({ name }) => name), ...Object.keys(GATEWAY_METRICS)].sort(),
    )
  })

  it('sets variables that the program reads, to values that it takes', () => {
    for (const file of ['Dockerfile', 'plumbline.service']) {
      const names = variablesIn(read(file))
      expect(names.length).toBeGreaterThan(2)
      expect(names.filter((name) => !known.has(name))).toEqual([])
    }
    const port = /PLUMBLINE_METRICS_PORT=(\d+)/.exec(read('Dockerfile'))?.[1]
    const values = environmentValues({ PLUMBLINE_METRICS_PORT: port })
    expect([...values.values()].map(({ value }) => value)).toEqual([Number(port)])
    // The health check, Prometheus and the daemon agree.
    expect(read('Dockerfile')).toContain(`http://127.0.0.1:${port}/healthz`)
    expect(read('prometheus.yml')).toContain(`127.0.0.1:${port}`)
  })

  it('opens the ports of the defaults, and runs a command that exists', () => {
    const dockerfile = read('Dockerfile')
    expect(dockerfile).toContain(`EXPOSE ${DEFAULT_TCP_PORT}/tcp ${DEFAULT_UDP_PORT}/udp`)
    const names = COMMANDS.map(({ path }) => path)
    const started = [
      /^CMD \["(\w+)"\]/m.exec(dockerfile)?.[1],
      /plumbline (\w+)$/m.exec(read('plumbline.service'))?.[1],
    ]
    expect(started.filter((name) => name === undefined || !names.includes(name))).toEqual([])
  })

  it('mounts files that are there', () => {
    const compose = parse(read('compose.yaml')) as {
      readonly services: Readonly<
        Record<
          string,
          { readonly volumes: readonly string[]; readonly build?: { readonly dockerfile: string } }
        >
      >
    }
    const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
      volumes.filter((each) => each.startsWith('./')),
    )
    expect(mounted.length).toBeGreaterThan(3)
    for (const each of mounted) expect(existsSync(join('docker', each.split(':')[0] ?? ''))).toBe(true)
    expect(existsSync(compose.services.plumbline?.build?.dockerfile ?? '')).toBe(true)
    for (const copied of read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm))
      for (const name of (copied[1] ?? '').split(' ')) expect([name, existsSync(name)]).toEqual([name, true])
  })
})
