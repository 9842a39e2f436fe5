/**
 * Findings by provider, and which would be missed least: one that blames nobody, of the provider that has most of these;
 * failing that what one receipt of the provider with most is blamed for. So nobody's findings push out another's while it
 * has more of them itself. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { type Finding, isBlame, type ProviderRecord } from './finding.js'
import { ProviderFindings } from './provider-findings.js'

export class FindingsIndex {
  /** By public key, hex. */
  readonly #providers = new Map<string, ProviderFindings>()
  readonly #byPeerId = new Map<string, ProviderFindings>()
  /** How many findings an auditor has signed of a receipt, and of a place that it blames. */
  readonly #judged = new Map<string, number>()

  add(name: string, finding: Finding): void {
    for (const judged of judgedKeys(finding)) this.#judged.set(judged, (this.#judged.get(judged) ?? 0) + 1)
    const key = bytesToHex(finding.provider)
    let provider = this.#providers.get(key)
    if (provider === undefined) {
      provider = new ProviderFindings(finding.provider)
      this.#providers.set(key, provider)
      this.#byPeerId.set(provider.peerId, provider)
    }
    provider.add(name, finding)
  }

  delete(name: string, finding: Finding): void {
    for (const judged of judgedKeys(finding)) {
      const count = (this.#judged.get(judged) ?? 0) - 1
      if (count > 0) this.#judged.set(judged, count)
      else this.#judged.delete(judged)
    }
    const key = bytesToHex(finding.provider)
    const provider = this.#providers.get(key)
    provider?.delete(name, finding)
    if (provider?.isEmpty !== true) return
    this.#providers.delete(key)
    this.#byPeerId.delete(provider.peerId)
  }

  /** As `FindingsBook.has`. */
  has(auditor: Uint8Array, channelId: Uint8Array, index: number, receipt?: Uint8Array): boolean {
    return (
      this.#judged.has(placeKey({ auditor, channelId, index })) ||
      (receipt !== undefined && this.#judged.has(receiptKey({ auditor, receipt })))
    )
  }

  /** Whether somebody blames the provider for the receipt at this place. */
  isBlamed(finding: Pick<Finding, 'provider' | 'channelId' | 'index'>): boolean {
    return this.#providers.get(bytesToHex(finding.provider))?.isBlamedFor(finding) === true
  }

  /** Undefined where there are no findings about it. */
  of(peerId: string): Pick<ProviderFindings, 'record' | 'lastFailure'> | undefined {
    return this.#byPeerId.get(peerId)
  }

  records(): readonly ProviderRecord[] {
    return [...this.#providers.values()].map(({ record }) => record)
  }

  /** Names of those about a provider, by its public key: of the receipts that it is blamed for, and the others. */
  about(provider: Uint8Array): ReturnType<ProviderFindings['names']> {
    return this.#providers.get(bytesToHex(provider))?.names() ?? { blamed: [], harmless: [] }
  }

  /** Names of one receipt's findings, where a provider is blamed for more receipts than are kept. */
  tooMany(provider: Uint8Array): readonly string[] {
    const found = this.#providers.get(bytesToHex(provider))
    return found?.isOver === true ? found.leastBlamed() : []
  }

  /** Names of what goes together; none where there is nothing. */
  leastMissed(): readonly string[] {
    let [harmless, blamed]: (ProviderFindings | undefined)[] = []
    for (const each of this.#providers.values()) {
      if (each.harmless > (harmless?.harmless ?? 0)) harmless = each
      // Whose conviction ends first is forgotten before others that have no more.
      if (
        each.blamed > (blamed?.blamed ?? 0) ||
        (blamed !== undefined && each.blamed === blamed.blamed && endOf(each) < endOf(blamed))
      )
        blamed = each
    }
    if (harmless?.oldestHarmless !== undefined) return [harmless.oldestHarmless]
    return blamed?.leastBlamed() ?? []
  }
}

const endOf = ({ lastFailure }: ProviderFindings): number => lastFailure ?? 0

const judgedKeys = (finding: Finding): readonly string[] => [
  receiptKey(finding),
  ...(isBlame(finding) ? [placeKey(finding)] : []),
]
const receiptKey = ({ auditor, receipt }: Pick<Finding, 'auditor' | 'receipt'>): string =>
  `${bytesToHex(auditor)}/${bytesToHex(receipt)}`
const placeKey = ({ auditor, channelId, index }: Pick<Finding, 'auditor' | 'channelId' | 'index'>): string =>
  `${bytesToHex(auditor)}/${bytesToHex(channelId)}/${index}`
