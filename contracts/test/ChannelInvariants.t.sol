// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PaymentChannels} from "../src/PaymentChannels.sol";
import {ChannelFixture} from "./support/ChannelFixture.sol";
import {Test} from "./support/Test.sol";

/// @notice Payers and payees in any order of openings, vouchers, replays, leavings and time, with books of its own.
/// Payee 0 is registered with a cold wallet and watchful: it redeems its best voucher before a channel may end.
contract ChannelWorld is ChannelFixture {
    struct Opening {
        uint256 payerIndex;
        uint256 payeeIndex;
        uint256 paidIn;
        uint256 paidOut;
        uint256 refunded;
        uint256 signed; // most of any voucher
        bool over;
    }

    Actor[3] public payers;
    Actor[3] public payees;
    bytes32[] public ids;
    mapping(bytes32 id => Opening) private _openings;
    PaymentChannels.Voucher[] private _vouchers;
    bytes32[] private _voucherOpening;
    string public violation;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            payers[i] = actor(0x5100 + i);
            vm.deal(payers[i].hot, 1_000_000 ether);
        }
        payees[0] = prover;
        payees[1] = actor(0x5201);
        payees[2] = payers[0]; // both at once
    }

    function theChannels() external view returns (PaymentChannels) {
        return channels;
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function opening(bytes32 id) external view returns (Opening memory) {
        return _openings[id];
    }

    function _pair(uint256 seed) private view returns (Actor memory from, Actor memory to, bytes32 id) {
        from = payers[seed % 3];
        to = payees[(seed >> 8) % 3];
        (, id) = channels.channelOf(from.hot, to.hot);
    }

    function open(uint256 seed) external {
        (Actor memory from, Actor memory to,) = _pair(seed);
        uint256 value = 1 + (seed >> 16) % 10 ether;
        uint40 ends = uint40(block.timestamp + CHALLENGE + (seed >> 80) % 5 days);
        vm.prank(from.hot);
        bytes32 id = channels.open{value: value}(to.hot, ends);
        if (_openings[id].paidIn != 0) violation = "an id came twice";
        _openings[id] = Opening(seed % 3, (seed >> 8) % 3, value, 0, 0, 0, false);
        ids.push(id);
    }

    function topUp(uint256 seed) external {
        (Actor memory from, Actor memory to, bytes32 id) = _pair(seed);
        uint256 value = (seed >> 16) % 1 ether;
        uint40 ends = seed % 2 == 0 ? 0 : uint40(block.timestamp + CHALLENGE + (seed >> 80) % 9 days);
        vm.prank(from.hot);
        channels.topUp{value: value}(to.hot, ends);
        _openings[id].paidIn += value;
    }

    /// A voucher for the present opening, sometimes for more than the deposit.
    function signOne(uint256 seed) external {
        if (_vouchers.length >= 200) return;
        (Actor memory from,, bytes32 id) = _pair(seed);
        Opening storage it = _openings[id];
        if (it.paidIn == 0) return;
        uint96 amount = uint96((seed >> 16) % (it.paidIn * 5 / 4 + 1));
        _vouchers.push(voucherFor(from.key, id, amount, uint64(seed >> 200)));
        _voucherOpening.push(id);
        if (amount > it.signed) it.signed = amount;
    }

    /// Any voucher ever signed, to any payee, in any payer's name; now and then somebody else submits it.
    function redeem(uint256 seed) external {
        if (_vouchers.length == 0) return;
        uint256 i = seed % _vouchers.length;
        PaymentChannels.Voucher memory voucher = _vouchers[i];
        address payee = payees[(seed >> 8) % 3].hot;
        if (seed >> 16 & 3 == 0) payee = payees[_openings[_voucherOpening[i]].payeeIndex].hot;
        if (seed >> 20 & 7 == 0) voucher.payer = payers[(seed >> 32) % 3].hot;
        (, bytes32 id) = channels.channelOf(voucher.payer, payee);
        address caller = seed >> 40 & 7 == 0 ? payers[(seed >> 48) % 3].hot : payee;
        vm.prank(caller);
        uint256 paid = channels.redeem(payee, voucher);
        if (caller != payee) violation = "a voucher was redeemed by another than its payee";
        _book(id, paid, _voucherOpening[i]);
    }

    function redeemMany(uint256 seed) external {
        if (_vouchers.length == 0) return;
        address payee = payees[(seed >> 8) % 3].hot;
        PaymentChannels.Voucher[] memory some = new PaymentChannels.Voucher[](1 + seed % 6);
        for (uint256 i = 0; i < some.length; ++i) {
            some[i] = _vouchers[(seed >> (16 + 8 * i)) % _vouchers.length];
        }
        uint256[3] memory before = _redeemedOf(payee);
        vm.prank(payee);
        channels.redeemMany(payee, some);
        uint256[3] memory later = _redeemedOf(payee);
        for (uint256 i = 0; i < 3; ++i) {
            (, bytes32 id) = channels.channelOf(payers[i].hot, payee);
            _openings[id].paidOut += later[i] - before[i];
        }
    }

    function _redeemedOf(address payee) private view returns (uint256[3] memory all) {
        for (uint256 i = 0; i < 3; ++i) {
            all[i] = stateOf(payers[i].hot, payee).redeemed;
        }
    }

    function _book(bytes32 id, uint256 paid, bytes32 signedFor) private {
        _openings[id].paidOut += paid;
        if (paid > 0 && id != signedFor) violation = "a voucher was worth something in another opening";
    }

    function requestClose(uint256 seed) external {
        (Actor memory from, Actor memory to,) = _pair(seed);
        vm.prank(from.hot);
        channels.requestClose(from.hot, to.hot);
    }

    /// By anybody, the payer, or the payee.
    function close(uint256 seed) external {
        (Actor memory from, Actor memory to, bytes32 id) = _pair(seed);
        uint256 who = (seed >> 16) % 3;
        uint256 endsAt = stateOf(from.hot, to.hot).endsAt;
        vm.prank(who == 0 ? address(0xbad) : who == 1 ? from.hot : to.hot);
        uint256 refund = channels.close(from.hot, to.hot);
        if (block.timestamp < endsAt && who != 2 && from.hot != to.hot) violation = "closed before its end";
        _openings[id].refunded += refund;
        _openings[id].over = true;
    }

    function redeemAndClose(uint256 seed) external {
        if (_vouchers.length == 0) return;
        uint256 i = seed % _vouchers.length;
        PaymentChannels.Voucher memory voucher = _vouchers[i];
        address payee = payees[_openings[_voucherOpening[i]].payeeIndex].hot;
        (PaymentChannels.Channel memory channel, bytes32 id) = channels.channelOf(voucher.payer, payee);
        vm.prank(payee);
        uint256 paid = channels.redeemAndClose(payee, voucher);
        _book(id, paid, _voucherOpening[i]);
        _openings[id].refunded += channel.deposit - channel.redeemed - paid;
        _openings[id].over = true;
    }

    /// Time passes; the watchful payee redeems first where a channel may end meanwhile.
    function tick(uint256 seed) external {
        uint256 to = block.timestamp + 1 + seed % 2 days;
        for (uint256 i = 0; i < 3; ++i) {
            (PaymentChannels.Channel memory channel, bytes32 id) =
                channels.channelOf(payers[i].hot, prover.hot);
            if (channel.endsAt == 0 || channel.endsAt > to) continue;
            _redeemBest(id);
        }
        vm.warp(to);
        vm.roll(block.number + 1);
    }

    function _redeemBest(bytes32 id) private {
        uint256 best = type(uint256).max;
        for (uint256 i = 0; i < _vouchers.length; ++i) {
            if (_voucherOpening[i] != id) continue;
            if (best == type(uint256).max || _vouchers[i].amountWei > _vouchers[best].amountWei) best = i;
        }
        if (best == type(uint256).max) return;
        vm.prank(prover.hot);
        try channels.redeem(prover.hot, _vouchers[best]) returns (uint256 paid) {
            _openings[id].paidOut += paid;
        } catch {}
        Opening storage it = _openings[id];
        uint256 due = it.signed < it.paidIn ? it.signed : it.paidIn;
        if (it.paidOut != due) violation = "a watchful payee was not paid in full";
    }
}

contract ChannelInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ChannelWorld private world;
    PaymentChannels private channels;

    function setUp() public {
        world = new ChannelWorld();
        vm.deal(address(world), 1_000_000 ether);
        world.setUp();
        channels = world.theChannels();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(world);
        bytes4[14] memory all = [
            ChannelWorld.open.selector,
            ChannelWorld.open.selector,
            ChannelWorld.topUp.selector,
            ChannelWorld.signOne.selector,
            ChannelWorld.signOne.selector,
            ChannelWorld.signOne.selector,
            ChannelWorld.redeem.selector,
            ChannelWorld.redeem.selector,
            ChannelWorld.redeem.selector,
            ChannelWorld.redeemMany.selector,
            ChannelWorld.requestClose.selector,
            ChannelWorld.close.selector,
            ChannelWorld.redeemAndClose.selector,
            ChannelWorld.tick.selector
        ];
        targets[0].selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    /// A payee gets no more than the payer signed for this opening, no more leaves than entered, all of it at the end,
    /// and the contract holds exactly what the open channels have left.
    function invariant_money() public view {
        uint256 held = 0;
        for (uint256 i = 0; i < world.count(); ++i) {
            ChannelWorld.Opening memory it = world.opening(world.ids(i));
            atMost(it.paidOut, it.signed, "more than signed");
            atMost(it.paidOut + it.refunded, it.paidIn, "more than paid in");
            if (it.over) same(it.paidOut + it.refunded, it.paidIn, "all of it left");
            else held += it.paidIn - it.paidOut;
        }
        same(address(channels).balance, held, "balance");
        check(bytes(world.violation()).length == 0, world.violation());
    }

    /// From wherever a run ended, everything leaves once the channels are over, whoever asks.
    function afterInvariant() public {
        vm.warp(block.timestamp + 400 days);
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                (, address from,,) = world.payers(i);
                (, address to,,) = world.payees(j);
                (PaymentChannels.Channel memory channel,) = channels.channelOf(from, to);
                if (channel.endsAt != 0) channels.close(from, to);
            }
        }
        same(address(channels).balance, 0, "all left");
    }
}
