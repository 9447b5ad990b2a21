package shop.cart;

import java.util.List;
import static shop.Money.*;

/** What a customer wants. */
@Entity
public class Cart<T> extends Base implements Payer {
    private final List<T> items = new ArrayList<>(), gifts;
    static final int LIMIT = 3;

    public Cart(List<T> items) {
        this.items = items;
    }

    /**
     * Settles it.
     */
    @Override
    public Money pay(Money amount, String... notes) throws PayException {
        int sum = 0;
        for (T item : items) {
            sum += item.price(LIMIT);
        }
        items.forEach(one -> log(one, notes));
        return round(sum);
    }

    enum Paid { CASH, CARD(1) }

    record Pair(int left, int right) {}

    interface Payer {
        Money pay(Money amount);
    }
}
