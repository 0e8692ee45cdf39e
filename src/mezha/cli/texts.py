"""What the lab says, in English and in Ukrainian: one table of texts, and how numbers are written."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TEXTS", "Texts", "language"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of one language; in braces stands what was measured."""

    #: What stands between the thousands.
    thousands: str
    #: What stands in front of a fraction.
    point: str

    title: str
    machine: str

    plain: str
    first_rounds: str
    surprise: str
    no_surprise: str
    and_so_on: str
    anything_else: str
    plain_verdict: str

    mezha: str
    mezha_note: str
    mezha_verdict: str
    mezha_reads: str

    cutting: str
    cutting_note: str
    flood_note: str
    unreal: str

    picture: str
    sent: str
    line_feed: str
    ways: Mapping[str, str]
    pieces: str

    result: str
    plain_column: str
    result_rounds: str
    result_ways: str
    result_flood: str
    of: str
    all_right: str
    not_all_right: str
    seconds: str
    saved: str
    working: str

    figure_title: str
    figure_subtitle: str
    figure_reads: str
    figure_plain: str
    figure_mezha: str
    figure_legend: tuple[str, str, str]
    figure_result: str
    figure_caption: str

    def number(self, value: int) -> str:
        """Write a number as this language does: ``10,000`` or ``10 000``."""
        return f"{value:,}".replace(",", self.thousands)

    def power(self, exponent: int) -> str:
        """Write a power of two, and what it is: ``2¹³ = 8,192``, without a place for a line break."""
        raised = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"2{raised} = {self.number(1 << exponent)}".replace(" ", "\N{NO-BREAK SPACE}")

    def decimal(self, value: float) -> str:
        """Write a number with one decimal place."""
        return f"{value:.1f}".replace(".", self.point)


TEXTS = {
    "en": Texts(
        thousands=",",
        point=".",
        title="One send, one recv? The lab, live",
        machine="real sockets on 127.0.0.1, {system}, Python {python}; all numbers are of this run",
        plain="Plain TCP: send Hello!, send World!, recv(4096); {rounds} times",
        first_rounds="the first rounds",
        surprise="around the first surprise",
        no_surprise="No round differed this time. It is rare: that is why it is found too late.",
        and_so_on="… and so on",
        anything_else="anything else",
        plain_verdict="{single} of {rounds} calls of recv returned exactly one message, as a program would expect.",
        mezha="With mezha: the same, over wrap(socket, Lines())",
        mezha_note="Two sends, so two recv a round. On plain TCP nobody knows how many to call.",
        mezha_verdict="{right} of {total} calls of recv returned the message that was due: Hello!, World!, Hello!, …",
        mezha_reads="Underneath, TCP did as it liked: {both} of {reads} reads returned both messages at once.",
        cutting="The rare case, forced: the same bytes, cut in every possible way",
        cutting_note="{size} bytes have {gaps} places to cut: {ways} ways. Each was sent piece by piece, and "
        "each piece read before the next was sent: {pieces} real reads, for plain code and for mezha.",
        flood_note="And everything glued: {messages} messages in one sendall. Plain code made {reads} reads of it, "
        "mezha {right} messages.",
        unreal="The system did not keep {count} of the cuts: this run proves nothing.",
        picture="What was sent, how the reads cut it, what was handed out",
        sent="sent",
        line_feed="↵ line feed: the end of a message",
        ways={
            "whole": "all in one piece",
            "boundary": "cut at the boundary: the one lucky way",
            "inside": "cut inside Hello!",
            "marker": "cut in front of the line feed",
            "both": "cut inside both",
            "bytes": "cut after every byte",
        },
        pieces="… {count} in all",
        result="Right, in this run",
        plain_column="plain recv",
        result_rounds="messages in {rounds} rounds",
        result_ways="ways to cut the {size} bytes",
        result_flood="messages in one sendall of {size} bytes",
        of="{right} of {total}",
        all_right="mezha got everything right: one send is one recv.",
        not_all_right="mezha did NOT get everything right. Please report this run.",
        seconds="{seconds} s",
        saved="The figure is in {file}.",
        working="measuring",
        figure_title="TCP keeps the bytes, not the messages",
        figure_subtitle="Two messages are sent, each ended by a line feed. "
        "The network may cut and glue the bytes as it likes.",
        figure_reads="how the reads cut it",
        figure_plain="recv hands out",
        figure_mezha="mezha hands out",
        figure_legend=("a byte of the first message", "a byte of the second message", "what one call sent or returned"),
        figure_result="Right, in this run",
        figure_caption="Measured on real loopback sockets ({system}, Python {python}) in {seconds} s: {rounds} rounds "
        "of two sends, and all {ways} ways to cut the {size} bytes, each piece read before the next was sent.",
    ),
    "uk": Texts(
        thousands="\N{NO-BREAK SPACE}",
        point=",",
        title="Один send — один recv? Лабораторна наживо",
        machine="справжні сокети на 127.0.0.1, {system}, Python {python}; усі числа — з цього запуску",
        plain="Звичайний TCP: send Hello!, send World!, recv(4096); раундів: {rounds}",
        first_rounds="перші раунди",
        surprise="навколо першої несподіванки",
        no_surprise="Цього разу всі раунди однакові. Таке трапляється рідко, тому його й помічають запізно.",
        and_so_on="… і так далі",
        anything_else="щось інше",
        plain_verdict="{single} з {rounds} викликів recv повернули рівно одне повідомлення, як того очікує програма.",
        mezha="Те саме з mezha, через wrap(socket, Lines())",
        mezha_note="Два send — отже, два recv за раунд. Зі звичайним TCP ніхто не знає, скільки їх потрібно.",
        mezha_verdict="{right} з {total} викликів recv повернули саме те, що мало бути: Hello!, World!, Hello!, …",
        mezha_reads="А TCP під ним робив, що хотів: {both} з {reads} читань принесли обидва повідомлення разом.",
        cutting="Рідкісний випадок, але щоразу: усі способи розрізати ті самі байти",
        cutting_note="Між {size} байтами є {gaps} місць для розрізу: {ways} способи. Кожен шматок надіслано "
        "окремо й прочитано до того, як надіслано наступний: {pieces} справжніх читань для звичайного коду "
        "і стільки ж для mezha.",
        flood_note="І навпаки, усе склеєно: один sendall, повідомлень у ньому — {messages}. У звичайного коду вийшло "
        "читань: {reads}, у mezha повідомлень: {right}.",
        unreal="Система не зберегла стільки розрізів: {count}. Цей запуск нічого не доводить.",
        picture="Що надіслано, як це розрізали читання, що отримала програма",
        sent="надіслано",
        line_feed="↵ новий рядок: межа повідомлення",
        ways={
            "whole": "усе одним шматком",
            "boundary": "розріз на межі: єдиний щасливий випадок",
            "inside": "розріз усередині Hello!",
            "marker": "розріз перед новим рядком",
            "both": "розрізи всередині обох",
            "bytes": "розріз після кожного байта",
        },
        pieces="… разом {count}",
        result="Правильно в цьому запуску",
        plain_column="просто recv",
        result_rounds="повідомлення за {rounds} раундів",
        result_ways="способи розрізати {size} байтів",
        result_flood="повідомлення в sendall на {size} байтів",
        of="{right} з {total}",
        all_right="mezha не помилилася жодного разу: один send — один recv.",
        not_all_right="mezha ПОМИЛИЛАСЯ. Будь ласка, повідомте про цей запуск.",
        seconds="{seconds} с",
        saved="Рисунок збережено у файлі {file}.",
        working="вимірювання",
        figure_title="TCP береже байти, а не повідомлення",
        figure_subtitle="Надіслано два повідомлення, кожне закінчується символом нового рядка. "
        "Мережа ріже й склеює байти, як їй зручно.",
        figure_reads="як це розрізали читання",
        figure_plain="recv повертає",
        figure_mezha="mezha повертає",
        figure_legend=(
            "байт першого повідомлення",
            "байт другого повідомлення",
            "те, що надіслав чи повернув один виклик",
        ),
        figure_result="Правильно в цьому запуску",
        figure_caption="Виміряно на справжніх сокетах 127.0.0.1 ({system}, Python {python}) за {seconds} с: раундів із "
        "двома send — {rounds}; способів розрізати {size} байтів — {ways}, "
        "і кожен шматок прочитано до того, як надіслано наступний.",
    ),
}


def language(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language of the locale, if there are texts in it, or else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return value[:2] if value[:2] in TEXTS else "en"
    return "en"
