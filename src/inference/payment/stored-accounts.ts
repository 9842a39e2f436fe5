/** Ledgers as they lie on the disk, for who only looks. */
import type { BookStore } from '../../store/books.js'
import { decodePayeeAccount, decodePayerAccount } from './account-codec.js'
import type { PayeeAccount } from './payee-account.js'
import type { PayerAccount } from './payer-account.js'

export async function storedPayerAccounts(books: BookStore): Promise<readonly PayerAccount[]> {
  return (await books.accounts()).map(({ account }) => decodePayerAccount(account))
}

export async function storedPayeeAccounts(books: BookStore): Promise<readonly PayeeAccount[]> {
  return (await books.accounts()).map(({ account }) => decodePayeeAccount(account))
}
