// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PaymentChannels} from "../src/PaymentChannels.sol";
import {IStakeRegistry} from "../src/interfaces/IStakeRegistry.sol";
import {ChannelFixture} from "./support/ChannelFixture.sol";

contract PaymentChannelsTest is ChannelFixture {
    address private constant STRANGER = address(0x57a);

    Actor private other;

    function setUp() public override {
        super.setUp();
        other = actor(0x07e);
        vm.deal(other.hot, 100 ether);
    }

    // ------------------------------------------------------------------------------------------------ opening

    function test_open_locksTheDepositAndNamesTheOpening() public {
        uint40 ends = end();
        bytes32 expected = channels.channelIdOf(payer.hot, prover.hot, 1);
        vm.expectEmit();
        emit PaymentChannels.ChannelOpened(expected, payer.hot, prover.hot, 1, DEPOSIT, ends);
        same(openChannel(payer.hot, prover.hot), expected, "id");
        PaymentChannels.Channel memory channel = stateOf(payer.hot, prover.hot);
        same(channel.deposit, DEPOSIT, "deposit");
        same(channel.redeemed, 0, "redeemed");
        same(channel.endsAt, ends, "end");
        same(channel.nonce, 1, "nonce");
        same(address(channels).balance, DEPOSIT, "balance");
    }

    function test_open_refusesWhatMakesNoChannel() public {
        vm.startPrank(payer.hot);
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.InvalidParties.selector, payer.hot, address(0))
        );
        channels.open{value: 1}(address(0), end());
        vm.expectPartialRevert(PaymentChannels.InvalidParties.selector);
        channels.open{value: 1}(payer.hot, end());
        vm.expectRevert(PaymentChannels.NothingDeposited.selector);
        channels.open(prover.hot, end());
        vm.expectPartialRevert(PaymentChannels.EndOutOfRange.selector);
        channels.open{value: 1}(prover.hot, uint40(block.timestamp + CHALLENGE - 1));
        vm.expectPartialRevert(PaymentChannels.EndOutOfRange.selector);
        channels.open{value: 1}(prover.hot, uint40(block.timestamp + 366 days + 1));
        channels.open{value: 1}(prover.hot, uint40(block.timestamp + CHALLENGE));
        vm.expectRevert(
            abi.encodeWithSelector(
                PaymentChannels.ChannelIsOpen.selector, channels.channelIdOf(payer.hot, prover.hot, 1)
            )
        );
        channels.open{value: 1}(prover.hot, end());
    }

    function test_open_refusesMoreThanTheSlotHolds() public {
        uint256 most = type(uint96).max;
        vm.deal(payer.hot, most + 2);
        vm.startPrank(payer.hot);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.DepositTooLarge.selector, most + 1, most));
        channels.open{value: most + 1}(prover.hot, end());
        channels.open{value: most}(prover.hot, end());
        vm.expectPartialRevert(PaymentChannels.DepositTooLarge.selector);
        channels.topUp{value: 1}(prover.hot, 0);
    }

    function test_constructor_refusesBadTerms() public {
        vm.expectRevert(PaymentChannels.InvalidPeriod.selector);
        new PaymentChannels(registry, 0);
        vm.expectRevert(PaymentChannels.InvalidPeriod.selector);
        new PaymentChannels(registry, 30 days + 1);
        vm.expectRevert(PaymentChannels.InvalidPeriod.selector);
        new PaymentChannels(IStakeRegistry(STRANGER), CHALLENGE);
    }

    // ------------------------------------------------------------------------------------------------ top-ups

    function test_topUp_addsAndExtends() public {
        bytes32 id = openChannel(payer.hot, prover.hot);
        uint40 ends = end();
        vm.startPrank(payer.hot);
        vm.expectEmit();
        emit PaymentChannels.ChannelToppedUp(id, DEPOSIT + 5, ends);
        channels.topUp{value: 5}(prover.hot, 0);
        vm.expectRevert(PaymentChannels.NothingDeposited.selector);
        channels.topUp(prover.hot, 0);
        vm.expectPartialRevert(PaymentChannels.EndOutOfRange.selector);
        channels.topUp{value: 1}(prover.hot, ends - 1);
        channels.topUp(prover.hot, ends + 1 days);
        same(stateOf(payer.hot, prover.hot).endsAt, ends + 1 days, "later");
        same(stateOf(payer.hot, prover.hot).deposit, DEPOSIT + 5, "deposit");
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelNotOpen.selector, payer.hot, other.hot));
        channels.topUp{value: 1}(other.hot, 0);
    }

    function test_topUp_takesBackAWishToLeave() public {
        openChannel(payer.hot, prover.hot);
        uint40 ends = end();
        vm.startPrank(payer.hot);
        channels.requestClose(payer.hot, prover.hot);
        channels.topUp(prover.hot, ends);
        same(stateOf(payer.hot, prover.hot).endsAt, ends, "as before");
    }

    function test_topUp_makesAVoucherAboveTheDepositWorthItsRest() public {
        openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory voucher = voucherTo(payer, prover.hot, DEPOSIT + 3);
        same(redeemAs(prover.hot, voucher), DEPOSIT, "what is there");
        vm.expectRevert(PaymentChannels.NothingToRedeem.selector);
        redeemAs(prover.hot, voucher);
        vm.prank(payer.hot);
        channels.topUp{value: 10}(prover.hot, 0);
        same(redeemAs(prover.hot, voucher), 3, "its rest");
    }

    // ----------------------------------------------------------------------------------------------- vouchers

    function test_redeem_paysTheColdWallet() public {
        bytes32 id = openChannel(payer.hot, prover.hot);
        uint256 before = prover.cold.balance;
        PaymentChannels.Voucher memory voucher = voucherTo(payer, prover.hot, 0.25 ether);
        vm.expectEmit();
        emit PaymentChannels.VoucherRedeemed(id, prover.hot, 0.25 ether, 0.25 ether, 3, HEAD);
        redeemAs(prover.hot, voucher);
        same(prover.cold.balance - before, 0.25 ether, "cold wallet");
        same(prover.hot.balance, 0, "hot key");
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 0.75 ether));
        same(prover.cold.balance - before, 0.75 ether, "cumulative");
        same(stateOf(payer.hot, prover.hot).redeemed, 0.75 ether, "redeemed");
    }

    function test_redeem_paysAPayeeThatTheRegistryDoesNotKnow() public {
        openChannel(payer.hot, other.hot);
        uint256 before = other.hot.balance;
        redeemAs(other.hot, voucherTo(payer, other.hot, 7));
        same(other.hot.balance - before, 7, "itself");
    }

    /// The payer signs what it likes: here a million receipts that the payee never issued. Only the payee can make it its
    /// word, and does not.
    function test_redeem_isThePayeesAlone() public {
        bytes32 id = openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory framing = voucherFor(payer.key, id, 1, 1_000_000);
        PaymentChannels.Voucher[] memory many = new PaymentChannels.Voucher[](1);
        many[0] = framing;
        // The cold wallet has the money's say, not the key's word.
        address[4] memory others = [STRANGER, payer.hot, other.hot, prover.cold];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes memory reason =
                abi.encodeWithSelector(PaymentChannels.NotPayee.selector, others[i], prover.hot);
            vm.startPrank(others[i]);
            vm.expectRevert(reason);
            channels.redeem(prover.hot, framing);
            vm.expectRevert(reason);
            channels.redeemMany(prover.hot, many);
            vm.expectRevert(reason);
            channels.redeemAndClose(prover.hot, framing);
            vm.stopPrank();
        }
        same(stateOf(payer.hot, prover.hot).redeemed, 0, "nothing was redeemed");
        same(redeemAs(prover.hot, framing), 1, "the payee itself could");
    }

    function test_redeem_ofAnOlderVoucherPaysNothing() public {
        openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory older = voucherTo(payer, prover.hot, 5);
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 9));
        vm.expectRevert(PaymentChannels.NothingToRedeem.selector);
        redeemAs(prover.hot, older);
    }

    function test_redeem_refusesWhatThePayerDidNotSign() public {
        bytes32 id = openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory voucher = voucherFor(other.key, id, 5, 3);
        voucher.payer = payer.hot;
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.VoucherNotOfPayer.selector, other.hot, payer.hot)
        );
        redeemAs(prover.hot, voucher);
        PaymentChannels.Voucher memory bent = voucherTo(payer, prover.hot, 5);
        bent.amountWei = 6;
        _refused(bent);
        bent = voucherTo(payer, prover.hot, 5);
        bent.receipts = 4;
        _refused(bent);
        bent = voucherTo(payer, prover.hot, 5);
        bent.receiptsHead = keccak256("other");
        _refused(bent);
        bent = voucherTo(payer, prover.hot, 5);
        bent.signature = bytes.concat(bent.signature, hex"00");
        _refused(bent);
        bent.signature = new bytes(65);
        _refused(bent);
    }

    function _refused(PaymentChannels.Voucher memory voucher) private {
        vm.expectPartialRevert(PaymentChannels.VoucherNotOfPayer.selector);
        redeemAs(prover.hot, voucher);
    }

    function test_redeem_refusesTheOtherSOfASignature() public {
        openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory voucher = voucherTo(payer, prover.hot, 5);
        bytes memory signature = voucher.signature;
        (bytes32 r, bytes32 s) = (bytes32(0), bytes32(0));
        assembly {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        voucher.signature =
            abi.encodePacked(r, order - uint256(s), signature[64] == 0x1b ? uint8(28) : uint8(27));
        _refused(voucher);
    }

    function test_redeem_knowsNoVoucherOfAnotherOpening() public {
        openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory former = voucherTo(payer, prover.hot, 9);
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 5));
        vm.prank(prover.hot);
        channels.close(payer.hot, prover.hot);
        vm.expectPartialRevert(PaymentChannels.ChannelNotOpen.selector);
        redeemAs(prover.hot, former);
        openChannel(payer.hot, prover.hot);
        same(stateOf(payer.hot, prover.hot).nonce, 2, "second opening");
        _refused(former);
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 9));
    }

    function test_redeem_knowsNoVoucherOfAnotherPairChainOrContract() public {
        openChannel(payer.hot, prover.hot);
        openChannel(payer.hot, other.hot);
        openChannel(other.hot, prover.hot);
        PaymentChannels.Voucher memory toOther = voucherTo(payer, other.hot, 5);
        _refused(toOther);
        PaymentChannels.Voucher memory ofOther = voucherTo(other, prover.hot, 5);
        ofOther.payer = payer.hot;
        _refused(ofOther);
        PaymentChannels.Voucher memory good = voucherTo(payer, prover.hot, 5);
        PaymentChannels twin = new PaymentChannels(registry, CHALLENGE);
        vm.prank(payer.hot);
        twin.open{value: DEPOSIT}(prover.hot, end());
        vm.expectPartialRevert(PaymentChannels.VoucherNotOfPayer.selector);
        vm.prank(prover.hot);
        twin.redeem(prover.hot, good);
        uint256 snapshotId = vm.snapshotState();
        vm.chainId(5);
        _refused(good);
        vm.revertToState(snapshotId);
        redeemAs(prover.hot, good);
    }

    function test_redeemMany_paysOnceAndPassesOverWhatPaysNothing() public {
        openChannel(payer.hot, prover.hot);
        openChannel(other.hot, prover.hot);
        PaymentChannels.Voucher[] memory all = new PaymentChannels.Voucher[](6);
        all[0] = voucherTo(payer, prover.hot, 5);
        all[1] = voucherTo(payer, prover.hot, 4); // old
        all[2] = voucherTo(other, prover.hot, 11);
        all[2].payer = payer.hot; // forged, and above what was redeemed
        all[3] = voucherTo(other, prover.hot, 7);
        all[4] = all[3]; // twice
        all[5] = voucherFor(0xdead, keccak256("none"), 9, 1); // never opened
        uint256 before = prover.cold.balance;
        vm.prank(prover.hot);
        same(channels.redeemMany(prover.hot, all), 12, "sum");
        same(prover.cold.balance - before, 12, "paid");
        vm.expectRevert(PaymentChannels.NothingToRedeem.selector);
        vm.prank(prover.hot);
        channels.redeemMany(prover.hot, all);
    }

    // ------------------------------------------------------------------------------------------------- closing

    function test_close_byThePayerWaitsForTheChallengePeriod() public {
        bytes32 id = openChannel(payer.hot, prover.hot);
        uint256 before = payer.hot.balance;
        vm.startPrank(payer.hot);
        vm.expectPartialRevert(PaymentChannels.ChannelNotOver.selector);
        channels.close(payer.hot, prover.hot);
        vm.expectEmit();
        emit PaymentChannels.ChannelCloseRequested(id, block.timestamp + CHALLENGE);
        channels.requestClose(payer.hot, prover.hot);
        uint256 endsAt = block.timestamp + CHALLENGE;
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.AlreadyEnding.selector, endsAt));
        channels.requestClose(payer.hot, prover.hot);
        vm.warp(endsAt - 1);
        vm.expectRevert(abi.encodeWithSelector(PaymentChannels.ChannelNotOver.selector, endsAt));
        channels.close(payer.hot, prover.hot);
        vm.stopPrank();
        // The payee's last second.
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 0.4 ether));
        vm.warp(endsAt);
        vm.expectEmit();
        emit PaymentChannels.ChannelClosed(id, 0.6 ether);
        vm.prank(STRANGER);
        channels.close(payer.hot, prover.hot);
        same(payer.hot.balance - before, 0.6 ether, "the rest");
        same(address(channels).balance, 0, "nothing stays");
        vm.expectPartialRevert(PaymentChannels.ChannelNotOpen.selector);
        channels.close(payer.hot, prover.hot);
    }

    function test_close_byExpiryNeedsNobodysWish() public {
        openChannel(payer.hot, prover.hot);
        vm.warp(end());
        // Late, but before anybody closed.
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 1));
        channels.close(payer.hot, prover.hot);
        same(address(channels).balance, 0, "empty");
    }

    function test_close_byThePayeeIsAtOnce() public {
        openChannel(payer.hot, prover.hot);
        vm.prank(prover.hot);
        channels.close(payer.hot, prover.hot);
        openChannel(payer.hot, prover.hot);
        vm.prank(prover.cold);
        channels.close(payer.hot, prover.hot);
        openChannel(payer.hot, prover.hot);
        vm.expectPartialRevert(PaymentChannels.ChannelNotOver.selector);
        vm.prank(STRANGER);
        channels.close(payer.hot, prover.hot);
    }

    function test_redeemAndClose_paysBothAtOnce() public {
        openChannel(payer.hot, prover.hot);
        PaymentChannels.Voucher memory last = voucherTo(payer, prover.hot, 0.3 ether);
        (uint256 cold, uint256 hot) = (prover.cold.balance, payer.hot.balance);
        vm.prank(prover.hot);
        channels.redeemAndClose(prover.hot, last);
        same(prover.cold.balance - cold, 0.3 ether, "payee");
        same(payer.hot.balance - hot, 0.7 ether, "payer");
        same(stateOf(payer.hot, prover.hot).endsAt, 0, "closed");
    }

    function test_requestClose_isThePayersOrItsColdWallets() public {
        vm.deal(prover.hot, 2 ether);
        openChannel(prover.hot, other.hot);
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.NotPayerNorWallet.selector, STRANGER, prover.hot)
        );
        vm.prank(STRANGER);
        channels.requestClose(prover.hot, other.hot);
        vm.prank(other.hot);
        vm.expectPartialRevert(PaymentChannels.NotPayerNorWallet.selector);
        channels.requestClose(prover.hot, other.hot);
        vm.prank(prover.cold);
        channels.requestClose(prover.hot, other.hot);
        vm.warp(block.timestamp + CHALLENGE);
        uint256 before = prover.cold.balance;
        channels.close(prover.hot, other.hot);
        same(prover.cold.balance - before, DEPOSIT, "a registered payer's rest goes to its cold wallet");
    }

    // ------------------------------------------------------------------------------------------ hostile wallets

    function test_close_aPayerThatRefusesMoneyDoesNotHoldUpThePayee() public {
        RefusingPayer contractPayer = new RefusingPayer();
        vm.deal(address(contractPayer), 1 ether);
        contractPayer.open(channels, prover.hot, end());
        vm.warp(end());
        vm.expectRevert(
            abi.encodeWithSelector(PaymentChannels.TransferFailed.selector, address(contractPayer))
        );
        channels.close(address(contractPayer), prover.hot);
        openChannel(payer.hot, prover.hot);
        redeemAs(prover.hot, voucherTo(payer, prover.hot, 5));
    }

    function test_redeem_cannotBeReentered() public {
        ReenteringPayee wallet = new ReenteringPayee(channels);
        openChannel(payer.hot, address(wallet));
        openChannel(other.hot, address(wallet));
        wallet.arm(voucherTo(other, address(wallet), 5), other.hot);
        redeemAs(address(wallet), voucherTo(payer, address(wallet), 5));
        same(wallet.blocked(), 3, "redeem, redeemMany and close were refused");
        same(address(wallet).balance, 5, "paid once");
        same(stateOf(other.hot, address(wallet)).redeemed, 0, "the other channel is untouched");
    }

    // ---------------------------------------------------------------------------------------------------- fuzz

    /// Whatever order vouchers are redeemed in, the payee gets the largest, or the deposit.
    function testFuzz_redeem_theLargestWins(uint96[5] memory amounts, uint96 deposit) public {
        deposit = uint96(bound(deposit, 1, 1000 ether));
        vm.deal(payer.hot, deposit);
        vm.prank(payer.hot);
        channels.open{value: deposit}(prover.hot, end());
        (uint256 most, uint256 before) = (0, prover.cold.balance);
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint96 amount = uint96(bound(amounts[i], 0, 2000 ether));
            uint256 due = amount < deposit ? amount : deposit;
            PaymentChannels.Voucher memory voucher = voucherTo(payer, prover.hot, amount);
            vm.prank(prover.hot);
            try channels.redeem(prover.hot, voucher) returns (uint256 paid) {
                same(paid, due - most, "the difference");
                most = due;
            } catch {
                atMost(due, most, "refused");
            }
        }
        same(prover.cold.balance - before, most, "sum");
        vm.prank(prover.hot);
        channels.close(payer.hot, prover.hot);
        same(payer.hot.balance, deposit - most, "rest");
        same(address(channels).balance, 0, "empty");
    }

    /// No opening shares its id with another one.
    function testFuzz_channelId_isOfOneOpening(
        address from,
        address to,
        uint24 nonce,
        address from2,
        address to2,
        uint24 nonce2
    ) public view {
        bool isSame = from == from2 && to == to2 && nonce == nonce2;
        check(
            isSame == (channels.channelIdOf(from, to, nonce) == channels.channelIdOf(from2, to2, nonce2)),
            "id"
        );
    }

    /// A payer's money never returns earlier than the challenge period after it asked, and never later than `endsAt`.
    function testFuzz_requestClose_leavesThePayeeItsTime(uint256 life, uint256 wait, uint256 look) public {
        uint40 ends = uint40(block.timestamp + bound(life, CHALLENGE, 366 days));
        vm.prank(payer.hot);
        channels.open{value: DEPOSIT}(prover.hot, ends);
        vm.warp(block.timestamp + bound(wait, 0, 400 days));
        uint256 asked = block.timestamp;
        vm.prank(payer.hot);
        try channels.requestClose(payer.hot, prover.hot) {
            same(stateOf(payer.hot, prover.hot).endsAt, asked + CHALLENGE, "asked");
            check(asked + CHALLENGE < ends, "forward only");
        } catch {
            check(asked + CHALLENGE >= ends, "refused");
        }
        uint256 endsAt = stateOf(payer.hot, prover.hot).endsAt;
        vm.warp(asked + bound(look, 0, 400 days));
        try channels.close(payer.hot, prover.hot) {
            check(block.timestamp >= endsAt, "not before");
        } catch {
            check(block.timestamp < endsAt, "not after");
        }
    }
}

contract RefusingPayer {
    function open(PaymentChannels channels, address payee, uint40 endsAt) external {
        channels.open{value: 1 ether}(payee, endsAt);
    }
}

contract ReenteringPayee {
    PaymentChannels private immutable CHANNELS;
    PaymentChannels.Voucher private _voucher;
    address private _payer;
    uint256 public blocked;

    constructor(PaymentChannels channels) {
        CHANNELS = channels;
    }

    function arm(PaymentChannels.Voucher memory voucher, address payer) external {
        _voucher = voucher;
        _payer = payer;
    }

    receive() external payable {
        try CHANNELS.redeem(address(this), _voucher) {}
        catch (bytes memory reason) {
            _note(reason);
        }
        PaymentChannels.Voucher[] memory many = new PaymentChannels.Voucher[](1);
        many[0] = _voucher;
        try CHANNELS.redeemMany(address(this), many) {}
        catch (bytes memory reason) {
            _note(reason);
        }
        try CHANNELS.close(_payer, address(this)) {}
        catch (bytes memory reason) {
            _note(reason);
        }
    }

    function _note(bytes memory reason) private {
        if (bytes4(reason) == bytes4(keccak256("ReentrancyGuardReentrantCall()"))) ++blocked;
    }
}
