/** What a gateway counts, in Prometheus' text format. */
import type { Task } from '../catalogue/card.js'
import type { Budget } from './budget.js'

const WEI_PER_ETHER = 1e18

/** Every name that is served; a dashboard shows each. */
export const GATEWAY_METRICS = {
  plumbline_gateway_requests_total: ['counter', 'Requests answered, by route and status.'],
  plumbline_gateway_request_seconds_total: [
    'counter',
    'Time from the headers to the end of the answer, by route.',
  ],
  plumbline_gateway_jobs_total: ['counter', 'Jobs, by task and outcome.'],
  plumbline_gateway_run_seconds_total: ['counter', 'Time that models took, by task.'],
  plumbline_gateway_sound_seconds_total: ['counter', 'Length of the recordings that were taken.'],
  plumbline_gateway_paid_ether_total: ['counter', 'Paid to providers.'],
  plumbline_gateway_requests_active: ['gauge', 'Requests being worked on.'],
  plumbline_gateway_held_bytes: ['gauge', 'Bodies held in memory.'],
} as const satisfies Readonly<Record<string, readonly ['counter' | 'gauge', string]>>
type MetricName = keyof typeof GATEWAY_METRICS

type Labels = Readonly<Record<string, string | number>>

export class GatewayMetrics {
  /** By name, then by written labels; labels come from this program alone, so their number is bounded. */
  readonly #counts = new Map<MetricName, Map<string, number>>()
  #paidWei = 0n

  request(route: string, status: number, seconds: number): void {
    this.#add('plumbline_gateway_requests_total', { route, status }, 1)
    this.#add('plumbline_gateway_request_seconds_total', { route }, seconds)
  }

  job(task: Task, outcome: 'done' | 'cancelled' | 'refused' | 'failed', runSeconds = 0): void {
    this.#add('plumbline_gateway_jobs_total', { task, outcome }, 1)
    if (outcome === 'done') this.#add('plumbline_gateway_run_seconds_total', { task }, runSeconds)
  }

  sound(seconds: number): void {
    this.#add('plumbline_gateway_sound_seconds_total', {}, seconds)
  }

  paid(wei: bigint): void {
    this.#paidWei += wei
  }

  text({ active, held }: { readonly active: Budget; readonly held: Budget }): string {
    const now = new Map(this.#counts)
    now.set('plumbline_gateway_paid_ether_total', new Map([['', Number(this.#paidWei) / WEI_PER_ETHER]]))
    now.set('plumbline_gateway_requests_active', new Map([['', active.used]]))
    now.set('plumbline_gateway_held_bytes', new Map([['', held.used]]))
    return Object.entries(GATEWAY_METRICS)
      .flatMap(([name, [type, help]]) => {
        const values = [...(now.get(name as MetricName) ?? [])]
        return values.length === 0
          ? []
          : [
              `# HELP ${name} ${help}`,
              `# TYPE ${name} ${type}`,
              ...values.map(([labels, value]) => `${name}${labels} ${value}`),
            ]
      })
      .join('\n')
      .concat('\n')
  }

  #add(name: MetricName, labels: Labels, amount: number): void {
    const written = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    const key = written.length === 0 ? '' : `{${written.join(',')}}`
    const values = this.#counts.get(name) ?? new Map<string, number>()
    this.#counts.set(name, values)
    values.set(key, (values.get(key) ?? 0) + amount)
  }
}
